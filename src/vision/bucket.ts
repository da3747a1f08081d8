/** Pays for scans at a steady rate; one scan may overdraw it, and the next wait until that is paid. */
export interface Bucket {
  /** Windows a millisecond that keep every turn. */
  readonly rate: number;
  earn(milliseconds: number): void;
  hasCredit(): boolean;
  spend(windows: number): void;
}

/** @param rate windows a millisecond. */
export function createBucket(rate: number): Bucket {
  let credit = 0;
  return {
    rate,
    earn(milliseconds) {
      // What was not needed is not saved up: it would be spent in a burst.
      credit = Math.min(credit, 0) + rate * milliseconds;
    },
    hasCredit: () => credit > 0,
    spend(windows) {
      credit -= windows;
    },
  };
}
