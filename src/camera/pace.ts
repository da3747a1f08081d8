import { type Clock, monotonicClock, sleep } from "../base/clock.js";

/** Behind by more than this, the rest is not hurried through: the machine slept, or cannot keep up. */
const TOO_LATE = 1_000;

/**
 * Spaces frames evenly.
 *
 * @param interval milliseconds between frames
 * @returns waits until the next frame is due; at once when that is past, or the signal aborts
 */
export function createPace(
  interval: number,
  clock: Clock = monotonicClock,
): (signal: AbortSignal) => Promise<void> {
  let due: number | undefined;
  return async (signal) => {
    const now = clock.now();
    if (due === undefined || now - due > TOO_LATE) due = now;
    const wait = due - now;
    due += interval;
    if (wait > 0) await sleep(wait, signal, clock);
  };
}

/**
 * Shows frames when their own time says.
 *
 * @returns waits until a frame of that many seconds is due; at once when that is past, or the signal aborts
 */
export function createPlayback(
  clock: Clock = monotonicClock,
): (seconds: number, signal: AbortSignal) => Promise<void> {
  let origin: number | undefined;
  return async (seconds, signal) => {
    const now = clock.now();
    const milliseconds = seconds * 1000;
    if (origin === undefined || now - origin - milliseconds > TOO_LATE) origin = now - milliseconds;
    const wait = origin + milliseconds - now;
    if (wait > 0) await sleep(wait, signal, clock);
  };
}
