/** What the pipeline achieved of late. */
export interface PipelineMeter {
  /** Takes in a frame that went all the way through: when, and how long after it was taken, in milliseconds. */
  done(at: number, latencyMs: number): void;
  /** Frames that went through since the start. */
  readonly frames: number;
  /** Frames a second over the last seconds; 0 when none came. */
  fps(at: number): number;
  /** Median of the last frames in milliseconds, or null before the first. */
  latencyMs(): number | null;
  /** Forgets what was: the camera is gone, and old figures would flatter. */
  reset(): void;
}

const WINDOW_MS = 3_000;
const MAX_FRAMES = 1_000;
/** A frame that is later than this many intervals is not coming. */
const OVERDUE = 2;

export function createPipelineMeter(): PipelineMeter {
  let recent: { readonly at: number; readonly latencyMs: number }[] = [];
  let frames = 0;

  function within(at: number): readonly { readonly at: number; readonly latencyMs: number }[] {
    // Of a camera that gives a frame in ten seconds there are two, all the same.
    const inWindow = recent.filter((frame) => at - frame.at <= WINDOW_MS).slice(-MAX_FRAMES);
    recent = inWindow.length < 2 ? recent.slice(-2) : inWindow;
    return recent;
  }

  return {
    done(at, latencyMs) {
      frames += 1;
      recent.push({ at, latencyMs });
      if (recent.length > 2 * MAX_FRAMES) within(at);
    },
    get frames() {
      return frames;
    },
    fps(at) {
      const window = within(at);
      const [first, second] = window;
      if (first === undefined || second === undefined) return 0;
      const last = window.at(-1) ?? second;
      if (at - last.at > Math.max(WINDOW_MS, OVERDUE * (last.at - first.at))) return 0;
      return Math.round(((window.length - 1) * 10_000) / Math.max(1, at - first.at)) / 10;
    },
    latencyMs() {
      const sorted = recent.map((frame) => frame.latencyMs).sort((a, b) => a - b);
      const median = sorted[Math.floor(sorted.length / 2)];
      return median === undefined ? null : Math.round(median * 10) / 10;
    },
    reset() {
      recent = [];
    },
  };
}
