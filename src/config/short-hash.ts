import { createHash } from "node:crypto";

/** Hexadecimal digits of a short hash. */
const DIGITS = 10;

/**
 * The first digits of SHA-256, put beside a name in which characters were replaced or parts joined, so that two names
 * that would look alike stay apart. `printf %s TEXT | sha256sum | cut -c1-10` gives the same.
 */
export function shortHash(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, DIGITS);
}

/** True when a part of `name` between dashes could be taken for a short hash. */
export function seemsHashed(name: string): boolean {
  return new RegExp(`(^|-)[0-9a-f]{${DIGITS}}(-|$)`).test(name);
}
