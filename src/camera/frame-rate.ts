const KEPT = 30;

/** Frames a second over the last frames, falling while none comes. */
export interface FrameRate {
  /** @param at milliseconds */
  add(at: number): void;
  perSecond(now: number): number;
  reset(): void;
}

export function createFrameRate(): FrameRate {
  let arrivals: number[] = [];
  return {
    add: (at) => {
      arrivals.push(at);
      if (arrivals.length > KEPT) arrivals.shift();
    },
    perSecond: (now) => {
      const first = arrivals[0];
      const last = arrivals.at(-1);
      if (first === undefined || last === undefined || last <= first) return 0;
      const intervals = arrivals.length - 1;
      const usual = (last - first) / intervals;
      // A frame that is overdue counts as if it came now, so the figure sinks before the deadline strikes.
      const span = last - first + Math.max(0, now - last - usual);
      return (intervals * 1000) / span;
    },
    reset: () => {
      arrivals = [];
    },
  };
}
