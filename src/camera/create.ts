import { type Logger, silentLogger } from "../base/logger.js";
import type { SourceConfig } from "../config/schema.js";
import { isRecorded, parseVideoUri } from "../config/video-uri.js";
import type { Camera } from "./camera.js";
import { createFrameMaker } from "./frame-maker.js";
import { createLibcamera } from "./libcamera/libcamera.js";
import type { PrivacyMasks } from "./masks.js";
import { createStills } from "./stills/stills.js";
import { createVideo } from "./video/video.js";

export interface CameraOptions {
  /** A pino logger, or part of one. */
  readonly log?: Logger;
  /** A folder of the daemon's own for pipes, such as $RUNTIME_DIRECTORY. */
  readonly runtimeDirectory?: string;
}

/**
 * The camera that the configuration names. Nothing is opened before `run`.
 *
 * @throws ConfigError when `source.uri` cannot be understood
 */
export function createCamera(
  source: SourceConfig,
  masks: PrivacyMasks,
  { log = silentLogger, runtimeDirectory }: CameraOptions = {},
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

/** Whether the source is a camera, with a light that may be seen, and not a recording. */
export function isLive(source: SourceConfig): boolean {
  return source.type === "libcamera" || (source.type === "video" && !isRecorded(parseVideoUri(source.uri)));
}

/** Whether every frame of the source is to be processed, as `createSlot`'s `lossless` wants to know. */
export function isLossless(source: SourceConfig): boolean {
  // A live source does not wait, whatever the configuration says.
  return source.type !== "libcamera" && !source.realtime && !isLive(source);
}
