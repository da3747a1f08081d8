import { type Logger, silentLogger } from "../../src/base/logger.js";
import type { Camera } from "../../src/camera/camera.js";
import type { Frame } from "../../src/camera/frame.js";
import { configSchema, type SourceConfig } from "../../src/config/schema.js";

/** A source as the configuration file would give it. */
export function sourceOf(given: Partial<SourceConfig>): SourceConfig {
  return configSchema.parse({ source: given }).source;
}

export interface SeenFrame {
  readonly number: number;
  readonly takenAt: number;
  readonly steadyAt: number;
  readonly width: number;
  readonly height: number;
}

/** Runs a camera to its end, or for `enough` frames; the frames' figures, and each frame shown to `look`. */
export async function play(
  camera: Camera,
  enough = Number.POSITIVE_INFINITY,
  look: (frame: Frame) => Promise<void> | void = () => undefined,
): Promise<SeenFrame[]> {
  const stop = new AbortController();
  const seen: SeenFrame[] = [];
  await camera.run(async (frame) => {
    try {
      if (stop.signal.aborted) return;
      const { number, takenAt, steadyAt, width, height } = frame;
      seen.push({ number, takenAt, steadyAt, width, height });
      await look(frame);
      if (seen.length >= enough) stop.abort();
    } finally {
      frame.release();
    }
  }, stop.signal);
  return seen;
}

/** Keeps what is logged at `warn`. */
export function listeningLog(): Logger & { readonly warnings: string[] } {
  const warnings: string[] = [];
  return {
    ...silentLogger,
    warnings,
    warn: (_fields, message) => warnings.push(message),
  };
}

/** A frame without a picture, for what only hands frames on. */
export function plainFrame(number: number, released: (number: number) => void = () => undefined): Frame {
  return {
    number,
    takenAt: number,
    steadyAt: number,
    width: 0,
    height: 0,
    get grey(): never {
      throw new Error("a plain frame has no picture");
    },
    picture: () => Promise.reject(new Error("a plain frame has no picture")),
    release: () => released(number),
  };
}
