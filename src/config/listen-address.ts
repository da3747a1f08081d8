export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** Where to listen, or null for `none`; takes apart what the configuration's schema has let through. */
export function listenAddress(listen: string): ListenAddress | null {
  if (listen === "none") return null;
  const colon = listen.lastIndexOf(":");
  return { host: listen.slice(0, colon).replace(/^\[|\]$/g, ""), port: Number(listen.slice(colon + 1)) };
}
