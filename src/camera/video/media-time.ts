/** How many of the last steps tell the usual one. */
const REMEMBERED = 9;
/** A longer gap, in seconds, or in usual steps, is no pause in a film but a clock that was set. */
const LONGEST_GAP = 10;
const LONGEST_GAP_STEPS = 20;

/**
 * The time of a film's frames from their own timestamps, which may be missing, repeat, or jump: what comes out starts
 * with 0 and always grows.
 *
 * @param interval seconds between frames, where the timestamps do not tell it
 */
export function createMediaTime(interval: number): {
  /** @param told the frame's own timestamp in seconds */
  at(told: number): number;
  /** The seconds at which a frame after the last one would be due. */
  next(): number;
} {
  let steps: number[] = [];
  let before: number | undefined;
  let time = 0;
  let begun = false;

  const usual = () => {
    const sorted = [...steps].sort((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)] ?? interval;
  };

  return {
    at: (told) => {
      const step = before === undefined ? Number.NaN : told - before;
      before = told;
      if (!begun) {
        begun = true;
        return time;
      }
      const longest = Math.max(LONGEST_GAP, LONGEST_GAP_STEPS * usual());
      if (step > 0 && step <= longest) {
        steps = [...steps, step].slice(-REMEMBERED);
        time += step;
      } else {
        time += usual();
      }
      return time;
    },
    next: () => (begun ? time + usual() : 0),
  };
}
