import type { Logger } from "../base/logger.js";
import { createCamera, isLive, isLossless } from "../camera/create.js";
import type { Frame } from "../camera/frame.js";
import type { PrivacyMasks } from "../camera/masks.js";
import { createSlot, type FrameSlot } from "../camera/slot.js";
import { type CameraHealth, superviseCamera } from "../camera/supervisor.js";
import type { SourceConfig } from "../config/schema.js";
import type { Pause } from "./pause.js";
import type { Stage } from "./pipeline.js";

/** Where the frames come from: the camera, its supervisor, and the slot that they fill. */
export interface Source {
  /** Of the camera, for people. */
  readonly description: string;
  readonly slot: FrameSlot;
  /** Whether it waits for the pipeline: its frames' time is its own. */
  readonly lossless: boolean;
  /** Whether a pause has closed the camera, or left it alone since the start: nothing of it is in use. */
  readonly closed: boolean;
  health(): CameraHealth;
  /**
   * Keeps the camera running until its source ends, or the signal aborts; then the slot is closed. For a pause a live
   * camera is closed, and opened again after it; a recording goes on. Never rejects.
   */
  run(signal: AbortSignal): Promise<void>;
}

export interface SourceOptions {
  readonly config: SourceConfig;
  readonly masks: PrivacyMasks;
  readonly logger: Logger;
  /** A folder of the daemon's own for pipes. */
  readonly runtimeDirectory: string | undefined;
  readonly pause: Pause;
  /** Frames were flowing and stopped. */
  readonly onLost: () => void;
  readonly onRecovered: () => void;
  /** A pause has closed the camera. */
  readonly onClosed: () => void;
  readonly onStage: (stage: Stage, milliseconds: number) => void;
}

/** @throws ConfigError when the source cannot be understood. */
export function createSource(options: SourceOptions): Source {
  const { config, masks, logger, runtimeDirectory, pause, onLost, onRecovered, onClosed } = options;
  const camera = createCamera(config, masks, {
    log: logger,
    ...(runtimeDirectory === undefined ? {} : { runtimeDirectory }),
  });
  const live = isLive(config);
  const lossless = isLossless(config);
  const slot = createSlot({ lossless });
  const decoding = timeDecoding((frame) => slot.put(frame), options.onStage);
  const supervisor = superviseCamera({
    camera,
    deliver: decoding.deliver,
    log: logger,
    onLost: () => {
      decoding.restart();
      onLost();
    },
    onRecovered,
  });
  let closed = pause.on;

  async function runOnce(signal: AbortSignal): Promise<"ended" | "stopped" | "abandoned"> {
    await pause.over(signal);
    closed = false;
    decoding.restart();
    return supervisor.run(live ? AbortSignal.any([signal, pause.begun]) : signal);
  }

  async function untilOver(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const outcome = await runOnce(signal);
      if (outcome === "ended" || signal.aborted) return;
      // The supervisor has said so where the camera may still be open.
      if (outcome === "abandoned") continue;
      closed = true;
      logger.info({ camera: camera.description }, "the camera is closed until the command resume");
      onClosed();
    }
  }

  return {
    description: camera.description,
    slot,
    lossless,
    get closed() {
      return closed;
    },
    health: supervisor.health,
    async run(signal) {
      try {
        await untilOver(signal);
      } finally {
        slot.close();
      }
    },
  };
}

interface DecodingTimer {
  /** Hands a frame on, and tells what it took the camera. */
  deliver(frame: Frame): Promise<void>;
  /** The next frame is the first of another run. */
  restart(): void;
}

/** Measures what the camera needs for a frame: from one handed over to the next. */
function timeDecoding(
  put: (frame: Frame) => Promise<void>,
  onStage: (stage: Stage, milliseconds: number) => void,
): DecodingTimer {
  let handedOver: number | undefined;
  return {
    async deliver(frame) {
      if (handedOver !== undefined) onStage("decode", performance.now() - handedOver);
      await put(frame);
      handedOver = performance.now();
    },
    restart() {
      handedOver = undefined;
    },
  };
}
