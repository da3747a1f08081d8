import { type Box, clipToFrame } from "../base/box.js";
import { cascadeFile } from "../base/cascade-file.js";
import { ExpectedError } from "../base/errors.js";
import { cv, type Mat } from "../base/opencv.js";

/** A hit of the cascade: a box in pixels of the whole picture, and how many overlapping windows agreed. */
export interface CascadeHit {
  readonly box: Box;
  readonly neighbors: number;
}

export interface ScanOptions {
  /** Part of the picture to look at, in pixels; all of it when absent. */
  readonly region?: Box;
  /** Smallest and largest face, in pixels. */
  readonly minSize: number;
  readonly maxSize?: number;
  readonly scaleFactor: number;
  readonly minNeighbors: number;
}

export interface Cascade {
  /** Looks for faces in a grey picture, off the event loop unless it is small. Calls run one after another. */
  scan(grey: Mat, options: ScanOptions): Promise<CascadeHit[]>;
}

/** The cascade that the configuration names cannot be used; the message says what would be right. */
export class CascadeError extends ExpectedError {
  override readonly name = "CascadeError";
}

/** The window that OpenCV's frontal face cascades were trained on: nothing smaller is ever found. */
export const SMALLEST_FACE = 24;

/**
 * Pixels of a picture up to which the look is taken on the spot: it takes some 0.2 ms, and the way to libuv's pool and
 * back 0.05.
 */
const SMALL = 8_192;

/**
 * Loads a Haar cascade.
 *
 * @param name of one that comes with OpenCV (`frontalface_default`, `frontalface_alt2`, `profileface`), or the
 *   path of an XML file.
 * @throws CascadeError when there is none, or it is no cascade.
 */
export function loadCascade(name: string): Cascade {
  const file = cascadeFile(name);
  if ("problem" in file) throw new CascadeError(`detector.cascade: ${file.problem}`);
  const classifier = new cv.CascadeClassifier(file.path);
  proveUsable(classifier, name);
  // The native classifier keeps scratch memory between calls, so two scans must never overlap.
  let turn: Promise<unknown> = Promise.resolve();
  let waiting = 0;

  async function scanNow(grey: Mat, options: ScanOptions): Promise<CascadeHit[]> {
    const region =
      options.region === undefined ? undefined : clipToFrame(options.region, grey.cols, grey.rows);
    const extent = region ?? { x: 0, y: 0, width: grey.cols, height: grey.rows };
    const minSize = Math.max(SMALLEST_FACE, Math.round(options.minSize));
    const maxSize = Math.round(options.maxSize ?? Math.max(extent.width, extent.height));
    if (extent.width < minSize || extent.height < minSize || maxSize < minSize) return [];
    const picture =
      region === undefined
        ? grey
        : grey.getRegion(new cv.Rect(region.x, region.y, region.width, region.height));
    try {
      const details = [
        options.scaleFactor,
        options.minNeighbors,
        0,
        new cv.Size(minSize, minSize),
        new cv.Size(maxSize, maxSize),
      ] as const;
      const { objects, numDetections } =
        extent.width * extent.height <= SMALL
          ? classifier.detectMultiScale(picture, ...details)
          : await classifier.detectMultiScaleAsync(picture, ...details);
      return objects.map((rect, index) => ({
        box: { x: rect.x + extent.x, y: rect.y + extent.y, width: rect.width, height: rect.height },
        neighbors: numDetections[index] ?? 0,
      }));
    } finally {
      if (picture !== grey) picture.release();
    }
  }

  function done(): void {
    waiting -= 1;
  }

  return {
    scan(grey, options) {
      const result = waiting === 0 ? scanNow(grey, options) : turn.then(() => scanNow(grey, options));
      waiting += 1;
      turn = result.then(done, done);
      return result;
    },
  };
}

/** The addon accepts any file; only the first scan tells that it was no cascade. */
function proveUsable(classifier: { detectMultiScale(picture: Mat): unknown }, name: string): void {
  const blank = new cv.Mat(64, 64, cv.CV_8UC1, 0);
  try {
    classifier.detectMultiScale(blank);
  } catch {
    throw new CascadeError(`${name} is not a Haar cascade that OpenCV can read; give the XML file of one`);
  } finally {
    blank.release();
  }
}
