import { type Logger, silentLogger } from "../../base/logger.js";
import { cv, type Mat } from "../../base/opencv.js";
import type { SourceConfig } from "../../config/schema.js";
import { type Camera, CameraError } from "../camera.js";
import type { FrameMaker } from "../frame-maker.js";
import { mediaClock, thisMoment } from "../moment.js";
import { createPace } from "../pace.js";
import { readPhoto } from "./photo.js";
import { findPhotos } from "./photo-files.js";
import { viewAt } from "./view.js";

/** Seconds that each photo is shown. */
export const SECONDS_A_PHOTO = 4;

export interface StillsOptions {
  readonly source: SourceConfig;
  readonly frames: FrameMaker;
  readonly log?: Logger;
}

/**
 * A folder of photos as a moving camera: each is shown for a few seconds under a slow pan and zoom, so that boxes
 * move and tracks live. The picture is a function of the frame's number alone.
 */
export function createStills({ source, frames, log = silentLogger }: StillsOptions): Camera {
  const frame = { width: source.width, height: source.height };
  const framesAPhoto = Math.max(1, Math.round(SECONDS_A_PHOTO * source.framerate));
  const mediaTime = mediaClock();
  let shown = 0;
  const warned = new Set<string>();

  /** Decodes the first photo from `index` on that can be; null at the end of the list. */
  const load = async (
    photos: readonly string[],
    index: number,
    signal: AbortSignal,
  ): Promise<Loaded | null> => {
    for (let at = index; at < photos.length && !signal.aborted; at++) {
      const path = photos[at] ?? "";
      try {
        return { photo: await prepare(path, frame), next: at + 1 };
      } catch (error) {
        // Once a photo, however often the folder is shown.
        if (!warned.has(path)) {
          warned.add(path);
          log.warn(
            { photo: path },
            `photo skipped: ${error instanceof Error ? error.message : String(error)}`,
          );
        }
      }
    }
    return null;
  };

  const show = async (
    photo: Mat,
    pace: (signal: AbortSignal) => Promise<void>,
    deliver: Parameters<Camera["run"]>[0],
    signal: AbortSignal,
  ) => {
    for (let index = 0; index < framesAPhoto && !signal.aborted; index++) {
      const picture = await draw(photo, index / framesAPhoto, frame);
      if (source.realtime) await pace(signal);
      if (signal.aborted) {
        picture.release();
        return;
      }
      const taken = source.realtime ? thisMoment() : mediaTime(shown / source.framerate);
      const made = await frames.fromColour(picture, taken);
      shown += 1;
      await deliver(made);
    }
  };

  return {
    description: `photos in ${source.uri}`,
    interval: 1000 / source.framerate,
    run: async (deliver, signal) => {
      const photos = await findPhotos(source.uri);
      const pace = createPace(1000 / source.framerate);
      do {
        let current = await load(photos, 0, signal);
        if (signal.aborted) {
          current?.photo.release();
          return;
        }
        if (current === null) {
          throw new CameraError(
            `${source.uri}: none of its ${photos.length} photos can be decoded; the log names each one's fault`,
          );
        }
        while (current !== null) {
          // The next one is decoded while this one is shown.
          const coming: Promise<Loaded | null> = load(photos, current.next, signal);
          try {
            await show(current.photo, pace, deliver, signal);
          } finally {
            current.photo.release();
            current = await coming;
            if (signal.aborted) {
              current?.photo.release();
              current = null;
            }
          }
        }
      } while (source.loop && !signal.aborted);
    },
  };
}

interface Loaded {
  readonly photo: Mat;
  /** Where to go on in the list. */
  readonly next: number;
}

/**
 * A photo at the size that the zoom can show: larger, it would alias in every frame; smaller, warpAffine would
 * blend its edge pixels with the black around them.
 */
async function prepare(
  path: string,
  frame: { readonly width: number; readonly height: number },
): Promise<Mat> {
  const most = { width: frame.width * 1.25, height: frame.height * 1.25 };
  const photo = await readPhoto(path, Math.max(most.width, most.height));
  const scale = Math.min(most.width / photo.cols, most.height / photo.rows);
  if (scale === 1) return photo;
  try {
    const size = new cv.Size(
      Math.max(1, Math.round(photo.cols * scale)),
      Math.max(1, Math.round(photo.rows * scale)),
    );
    return await photo.resizeAsync(size, 0, 0, scale < 1 ? cv.INTER_AREA : cv.INTER_LINEAR);
  } finally {
    photo.release();
  }
}

async function draw(
  photo: Mat,
  phase: number,
  frame: { readonly width: number; readonly height: number },
): Promise<Mat> {
  const { scale, left, top } = viewAt(phase, { width: photo.cols, height: photo.rows }, frame);
  const transform = new cv.Mat(
    [
      [scale, 0, left],
      [0, scale, top],
    ],
    cv.CV_64F,
  );
  try {
    return await photo.warpAffineAsync(transform, new cv.Size(frame.width, frame.height), cv.INTER_LINEAR);
  } finally {
    transform.release();
  }
}
