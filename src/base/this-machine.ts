import { BlockList, isIP } from "node:net";

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8, "ipv4");
LOOPBACK.addAddress("::1", "ipv6");

/** True for a host's name or address, an IPv6 one perhaps in brackets, that only this machine can reach. */
export function isThisMachine(hostname: string): boolean {
  const host = hostname.toLowerCase().replace(/^\[|\]$/g, "");
  if (isIP(host) !== 0) return LOOPBACK.check(host, isIP(host) === 4 ? "ipv4" : "ipv6");
  return /^(.+\.)?localhost\.?$/.test(host);
}
