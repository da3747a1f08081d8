import type { Frame } from "../camera/frame.js";
import type { Instant } from "../events/lifecycle.js";
import type { Pause } from "./pause.js";
import type { Source } from "./source.js";

/** Takes frames from the slot and sees each through the pipeline. */
export interface FrameLoop {
  /**
   * Goes on until there are no more frames, or the signal aborts. One at a time: to find faces in one beside the
   * naming of those in the last was measured, and took each frame twice as long for no more frames a second, since
   * most of either runs on the main thread.
   */
  run(signal: AbortSignal): Promise<void>;
  /** Settles when the frame that is under way has been through. */
  readonly underWay: Promise<void>;
  /** When faces end that no frame ends: a file's time is its own, and stands still with its last frame. */
  readonly now: Instant;
}

export interface FrameLoopOptions {
  readonly source: Pick<Source, "slot" | "lossless">;
  /** While it is on, frames are let go of unseen. */
  readonly pause: Pick<Pause, "on">;
  readonly process: (frame: Frame) => Promise<void>;
  /** Told of each frame that has been through: milliseconds since it was taken, or since it was begun in a lossless source. */
  readonly onThrough: (frame: Frame, latencyMs: number) => void;
}

export function createFrameLoop(options: FrameLoopOptions): FrameLoop {
  const { pause, process, onThrough } = options;
  const { slot, lossless } = options.source;
  let underWay: Promise<void> = Promise.resolve();
  let last: Instant | undefined;

  async function lookAt(frame: Frame): Promise<void> {
    const begun = performance.now();
    last = { takenAt: frame.takenAt, steadyAt: frame.steadyAt };
    await process(frame);
    onThrough(frame, performance.now() - (lossless ? begun : frame.steadyAt));
  }

  return {
    async run(signal) {
      for (;;) {
        const frame = await slot.take(signal);
        if (frame === null) return;
        try {
          if (pause.on) continue;
          underWay = lookAt(frame);
          await underWay;
        } finally {
          frame.release();
        }
      }
    },
    get underWay() {
      return underWay;
    },
    get now() {
      const present = { takenAt: Date.now(), steadyAt: performance.now() };
      // Before its first frame there is no face to end, and none of its frames is older.
      return lossless ? (last ?? { ...present, steadyAt: Number.NEGATIVE_INFINITY }) : present;
    },
  };
}
