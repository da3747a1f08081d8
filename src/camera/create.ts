import type { SourceConfig } from "../config/schema.js";
import type { Camera } from "./camera.js";
import { createFrameMaker } from "./frame-maker.js";
import { createLibcamera } from "./libcamera.js";
import { type CameraLog, silentLog } from "./log.js";
import type { PrivacyMasks } from "./masks.js";
import { createStills } from "./stills.js";
import { createVideo } from "./video.js";
import { isRecorded, parseVideoUri } from "./video-source.js";

export interface CameraOptions {
  /** A pino logger, or part of one. */
  readonly log?: CameraLog;
  /** A folder of the daemon's own for pipes, such as $RUNTIME_DIRECTORY. */
  readonly runtimeDirectory?: string;
}

/**
 * The camera that the configuration names. Nothing is opened before `run`.
 *
 * @throws CameraError when `source.uri` cannot be understood
 */
export function createCamera(
  source: SourceConfig,
  masks: PrivacyMasks,
  { log = silentLog, runtimeDirectory }: CameraOptions = {},
): Camera {
  const frames = createFrameMaker(masks);
  switch (source.type) {
    case "libcamera":
      return createLibcamera({
        source,
        frames,
        log,
        folders: runtimeDirectory === undefined ? [] : [runtimeDirectory],
      });
    case "video":
      return createVideo({ source, frames, log });
    case "stills":
      return createStills({ source, frames, log });
  }
}

/** Whether every frame of the source is to be processed, as `createSlot`'s `lossless` wants to know. */
export function isLossless(source: SourceConfig): boolean {
  if (source.realtime || source.type === "libcamera") return false;
  // A live source does not wait, whatever the configuration says.
  return source.type === "stills" || isRecorded(parseVideoUri(source.uri));
}
