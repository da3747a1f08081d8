import type { Frame } from "./frame.js";

/** When a picture was taken, on both of a frame's clocks. */
export type Moment = Pick<Frame, "takenAt" | "steadyAt">;

export function thisMoment(): Moment {
  return { takenAt: Date.now(), steadyAt: performance.now() };
}

/**
 * The clock of a source that is not played in real time: media time, which starts now and goes on across loops
 * and restarts, so that durations are the ones that a viewer would see.
 *
 * @returns the moment after that many seconds of media
 */
export function mediaClock(): (seconds: number) => Moment {
  const start = thisMoment();
  return (seconds) => ({
    takenAt: start.takenAt + seconds * 1000,
    steadyAt: start.steadyAt + seconds * 1000,
  });
}
