/** What goes wrong, for how many milliseconds, and how long it is quiet before. */
export interface Fault {
  readonly kind: FaultKind;
  readonly ms: number;
  readonly calm: number;
}

export type FaultKind =
  | "broker-killed"
  | "network-cut"
  | "network-silent"
  | "link-slow"
  | "daemon-killed"
  | "disk-full"
  | "camera-stalled"
  | "clock-forward"
  | "clock-back";

interface Share {
  readonly kind: FaultKind;
  /** How often, against the others. */
  readonly weight: number;
  readonly ms: readonly [least: number, most: number];
}

const SHARES: readonly Share[] = [
  { kind: "broker-killed", weight: 4, ms: [100, 4000] },
  { kind: "network-cut", weight: 5, ms: [100, 20_000] },
  { kind: "network-silent", weight: 4, ms: [100, 20_000] },
  { kind: "link-slow", weight: 3, ms: [500, 6000] },
  { kind: "daemon-killed", weight: 4, ms: [0, 500] },
  { kind: "disk-full", weight: 2, ms: [1000, 6000] },
  { kind: "camera-stalled", weight: 2, ms: [500, 8000] },
  { kind: "clock-forward", weight: 2, ms: [500, 3000] },
  { kind: "clock-back", weight: 2, ms: [500, 3000] },
];

/** `count` faults of the kinds that are possible here, as `random` decides; short ones are likelier than long ones. */
export function planFaults(
  count: number,
  possible: (kind: FaultKind) => boolean,
  random: () => number,
): Fault[] {
  const shares = SHARES.filter((share) => possible(share.kind));
  const total = shares.reduce((sum, share) => sum + share.weight, 0);
  return Array.from({ length: count }, () => {
    let at = random() * total;
    const share = shares.find((one) => {
      at -= one.weight;
      return at < 0;
    });
    if (share === undefined) throw new Error("no kind of fault is possible");
    const [least, most] = share.ms;
    const ms = Math.round(least * (most / Math.max(1, least)) ** random());
    return {
      kind: share.kind,
      ms: least === 0 ? Math.round(most * random()) : ms,
      calm: Math.round(300 + 1500 * random()),
    };
  });
}
