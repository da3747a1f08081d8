export interface TokenBucket {
  /** Takes one token; false when there is none. `now` in milliseconds, of a clock that never goes back. */
  take(now: number): boolean;
}

/** Lets `burst` through at once and `perSecond` from then on. */
export function tokenBucket(burst: number, perSecond: number): TokenBucket {
  let tokens = burst;
  let last: number | undefined;
  return {
    take(now) {
      if (last !== undefined) tokens = Math.min(burst, tokens + ((now - last) / 1000) * perSecond);
      last = now;
      if (tokens < 1) return false;
      tokens -= 1;
      return true;
    },
  };
}
