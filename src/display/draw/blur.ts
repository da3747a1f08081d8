import type { Box } from "../../base/box.js";
import { clipToFrame } from "../../base/box.js";
import { cv, type Mat } from "../../base/opencv.js";

/** Around a Haar box: hair, ears and chin tell people apart as well, and a box is never quite where the face is. */
const MARGIN = 0.35;
/** Cells across a face; few enough that nobody is known by them. */
const CELLS = 7;

/** Pixelates boxes (pixels of the picture, a margin is added) in place. The caller keeps owning the Mat. */
export function pixelate(picture: Mat, boxes: readonly Box[]): void {
  for (const box of boxes) {
    const wider = {
      x: box.x - box.width * MARGIN,
      y: box.y - box.height * MARGIN,
      width: box.width * (1 + 2 * MARGIN),
      height: box.height * (1 + 2 * MARGIN),
    };
    const part = clipToFrame(wider, picture.cols, picture.rows);
    if (part.width < 1 || part.height < 1) continue;
    pixelateRegion(picture, part, wider);
  }
}

function pixelateRegion(picture: Mat, part: Box, whole: Box): void {
  // A face half out of the picture gets cells of the same size as a whole one.
  const cells = (length: number, full: number) => Math.max(1, Math.round((CELLS * length) / full));
  const region = picture.getRegion(new cv.Rect(part.x, part.y, part.width, part.height));
  let coarse: Mat | undefined;
  let mosaic: Mat | undefined;
  try {
    coarse = region.resize(
      cells(part.height, whole.height),
      cells(part.width, whole.width),
      0,
      0,
      cv.INTER_AREA,
    );
    mosaic = coarse.resize(part.height, part.width, 0, 0, cv.INTER_NEAREST);
    mosaic.copyTo(region).release();
  } finally {
    mosaic?.release();
    coarse?.release();
    region.release();
  }
}
