import type { Logger } from "../base/logger.js";
import { createCamera, isLossless } from "../camera/create.js";
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
  health(): CameraHealth;
  /** Keeps the camera running until its source ends, or the signal aborts; then the slot is closed. Never rejects. */
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
  readonly onStage: (stage: Stage, milliseconds: number) => void;
}

/** @throws ConfigError when the source cannot be understood. */
export function createSource(options: SourceOptions): Source {
  const { config, masks, logger, runtimeDirectory, pause, onLost, onRecovered, onStage } = options;
  const camera = createCamera(config, masks, {
    log: logger,
    ...(runtimeDirectory === undefined ? {} : { runtimeDirectory }),
  });
  const lossless = isLossless(config);
  const slot = createSlot({ lossless });
  const supervisor = superviseCamera({
    camera,
    deliver: timeDecoding((frame) => slot.put(frame), onStage),
    log: logger,
    onLost,
    onRecovered,
  });
  return {
    description: camera.description,
    slot,
    lossless,
    health: supervisor.health,
    async run(signal) {
      // A daemon that starts paused leaves it alone until then.
      await pause.over(signal);
      try {
        await supervisor.run(signal);
      } finally {
        slot.close();
      }
    },
  };
}

/** Measures what the camera needs for a frame: from one handed over to the next. */
function timeDecoding(
  put: (frame: Frame) => Promise<void>,
  onStage: (stage: Stage, milliseconds: number) => void,
): (frame: Frame) => Promise<void> {
  let handedOver: number | undefined;
  return async (frame) => {
    if (handedOver !== undefined) onStage("decode", performance.now() - handedOver);
    await put(frame);
    handedOver = performance.now();
  };
}
