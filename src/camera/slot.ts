import type { Frame } from "./frame.js";

/** Where the camera leaves a frame and the pipeline takes it: one frame at most, never a queue. */
export interface FrameSlot {
  /**
   * Leaves a frame, with its ownership. In a live slot a frame that nobody took yet gives way to it: released,
   * and counted. In a lossless slot this resolves when the frame was taken, so the camera is held back.
   */
  put(frame: Frame): Promise<void>;
  /**
   * The next frame, with its ownership; null when the slot is closed and empty, or the signal aborts. One
   * taker at a time.
   */
  take(signal?: AbortSignal): Promise<Frame | null>;
  /** No frame comes any more; the one that waits can still be taken. */
  close(): void;
  /** Closes, and releases the frame that waits. */
  discard(): void;
  /** Frames that gave way to newer ones. */
  readonly dropped: number;
}

/** @param lossless every frame is taken before the next is put: for sources that are not live */
export function createSlot({ lossless = false }: { readonly lossless?: boolean } = {}): FrameSlot {
  let waiting: { readonly frame: Frame; readonly gone: () => void; readonly left: Promise<void> } | undefined;
  let taker: ((frame: Frame | null) => void) | undefined;
  let closed = false;
  let dropped = 0;

  const hold = (frame: Frame): Promise<void> => {
    let gone: () => void = () => undefined;
    const left = new Promise<void>((resolve) => {
      gone = resolve;
    });
    waiting = { frame, gone, left };
    return left;
  };

  const empty = (): Frame | null => {
    const held = waiting;
    if (held === undefined) return null;
    waiting = undefined;
    held.gone();
    return held.frame;
  };

  const close = () => {
    closed = true;
    taker?.(null);
  };

  return {
    put: async (frame) => {
      while (lossless && waiting !== undefined && !closed) await waiting.left;
      if (closed) {
        frame.release();
        return;
      }
      if (taker !== undefined) {
        taker(frame);
        return;
      }
      const older = empty();
      if (older !== null) {
        older.release();
        dropped += 1;
      }
      const left = hold(frame);
      if (lossless) await left;
    },

    take: (signal) => {
      if (taker !== undefined) return Promise.reject(new Error("the slot has a taker already"));
      if (signal?.aborted === true) return Promise.resolve(null);
      const frame = empty();
      if (frame !== null || closed) return Promise.resolve(frame);
      return new Promise((resolve) => {
        const give = (next: Frame | null) => {
          taker = undefined;
          signal?.removeEventListener("abort", abort);
          resolve(next);
        };
        const abort = () => give(null);
        taker = give;
        signal?.addEventListener("abort", abort, { once: true });
      });
    },

    close,
    discard: () => {
      close();
      empty()?.release();
    },
    get dropped() {
      return dropped;
    },
  };
}
