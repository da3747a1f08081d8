export interface BackoffLimits {
  /** Milliseconds of the first wait. */
  readonly first: number;
  /** Milliseconds no wait goes beyond. */
  readonly cap: number;
}

/**
 * Milliseconds to wait after `failures` failures in a row (1 and up): doubling from `first` to `cap`, of which a
 * random half is taken off, so that a thousand devices do not come back to a restarted broker in one instant.
 * `random` is in [0, 1).
 */
export function backoffDelay(failures: number, limits: BackoffLimits, random: number): number {
  const full = Math.min(limits.cap, limits.first * 2 ** Math.min(failures - 1, 30));
  return full * (1 - random / 2);
}
