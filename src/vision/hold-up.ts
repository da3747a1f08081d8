/** Tells a camera that is slow from one that was held up. */
export interface HoldUps {
  /**
   * Takes in when the next frame was taken, in milliseconds on the frames' steady clock; true when the gap before it was
   * a hold-up of more than `longest` milliseconds.
   */
  after(at: number, longest: number): boolean;
  /** What comes next follows on nothing. */
  reset(): void;
}

/** Intervals of which the middle one is what is usual: a hold-up or two among them change nothing. */
const REMEMBERED = 5;
/** A gap of so many usual intervals is no interval of a slow camera. */
const UNUSUAL = 3;

/**
 * A gap is a hold-up when it is long, and unusually long for this camera: one that takes a picture every five seconds has
 * gaps longer than `lostAfter` between all its frames, and still follows faces. Before there is an interval to compare
 * with, a gap is none.
 */
export function createHoldUps(): HoldUps {
  let previousAt: number | undefined;
  let intervals: readonly number[] = [];

  return {
    after(at, longest) {
      const gap = previousAt === undefined ? 0 : at - previousAt;
      const usual = median(intervals);
      if (previousAt !== undefined) intervals = [...intervals, Math.max(0, gap)].slice(-REMEMBERED);
      previousAt = at;
      return usual !== undefined && gap > longest && gap > UNUSUAL * usual;
    },
    reset() {
      previousAt = undefined;
    },
  };
}

function median(values: readonly number[]): number | undefined {
  return [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) / 2)];
}
