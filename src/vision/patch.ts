import { type Box, clipToFrame } from "../base/box.js";
import { cv, type Mat } from "../base/opencv.js";

type Size = InstanceType<typeof cv.Size>;

/** A part of the frame, turned upright and brought to a small size, with the way back. */
export interface Patch {
  /** CV_8UC1; the receiver releases it. */
  readonly picture: Mat;
  /** A box in the patch's pixels to the upright box around the same middle in the frame. */
  toFrame(box: Box): Box;
  /** A disc in the frame's pixels to the same in the patch's. */
  toPatch(disc: Disc): Disc;
}

/** Middle and radius, in pixels. */
export interface Disc {
  readonly x: number;
  readonly y: number;
  readonly radius: number;
}

export interface PatchPlace {
  /** Middle of the part, in pixels of the frame. */
  readonly x: number;
  readonly y: number;
  /** Size of the part as it is after turning, in pixels of the frame. */
  readonly width: number;
  readonly height: number;
  /** How far what is in it is tilted, in degrees, clockwise in the picture; the patch is turned back by as much. */
  readonly angle: number;
}

/** Shrinking by more than this, bilinear sampling would skip most pixels: averages are taken first. */
const LARGEST_BILINEAR_STEP = 3;
/** Of warpAffine: the matrix maps patch to frame (cv::WARP_INVERSE_MAP, which the addon does not name). */
const WARP_INVERSE_MAP = 16;

/**
 * Samples a turned part straight from the frame: the cost depends on the patch's size alone, not on the frame's or
 * the face's. Edge pixels repeat outside the frame.
 *
 * The calls are synchronous: each takes under 0.1 ms, less than a hop to libuv's pool and back.
 *
 * @param columns width of the patch in pixels; its height follows from the place's shape.
 */
export function cutPatch(grey: Mat, place: PatchPlace, columns: number): Patch {
  const { x, y, angle } = place;
  const radians = (angle * Math.PI) / 180;
  const [cos, sin] = [Math.cos(radians), Math.sin(radians)];
  const step = place.width / columns;
  const size = new cv.Size(columns, Math.max(1, Math.round(place.height / step)));
  const middle = { x: (size.width - 1) / 2, y: (size.height - 1) / 2 };

  function toFrame(box: Box): Box {
    const dx = (box.x + (box.width - 1) / 2 - middle.x) * step;
    const dy = (box.y + (box.height - 1) / 2 - middle.y) * step;
    const width = box.width * step;
    const height = box.height * step;
    return { x: x + cos * dx - sin * dy - width / 2, y: y + sin * dx + cos * dy - height / 2, width, height };
  }

  function toPatch(disc: Disc): Disc {
    const [dx, dy] = [(disc.x - x) / step, (disc.y - y) / step];
    return {
      x: middle.x + cos * dx + sin * dy,
      y: middle.y - sin * dx + cos * dy,
      radius: disc.radius / step,
    };
  }

  const shrink = Math.floor(step / LARGEST_BILINEAR_STEP) + 1;
  if (shrink === 1) return { picture: warp(grey, x - 0.5, y - 0.5, step, cos, sin, size), toFrame, toPatch };
  // Half a diagonal around the middle holds the square however it is turned.
  const across = (angle === 0 ? place.width : Math.hypot(place.width, place.height)) / 2 + shrink;
  const down = (angle === 0 ? place.height : Math.hypot(place.width, place.height)) / 2 + shrink;
  const around = clipToFrame(
    { x: x - across, y: y - down, width: 2 * across, height: 2 * down },
    grey.cols,
    grey.rows,
  );
  if (around.width < shrink || around.height < shrink)
    return { picture: warp(grey, x - 0.5, y - 0.5, step, cos, sin, size), toFrame, toPatch };
  const part = grey.getRegion(new cv.Rect(around.x, around.y, around.width, around.height));
  const small = part.resize(
    Math.round(around.height / shrink),
    Math.round(around.width / shrink),
    0,
    0,
    cv.INTER_AREA,
  );
  try {
    const ratio = small.cols / around.width;
    const picture = warp(
      small,
      (x - around.x) * ratio - 0.5,
      (y - around.y) * ratio - 0.5,
      step * ratio,
      cos,
      sin,
      size,
    );
    return { picture, toFrame, toPatch };
  } finally {
    small.release();
    part.release();
  }
}

function warp(grey: Mat, x: number, y: number, step: number, cos: number, sin: number, size: Size): Mat {
  const [a, b] = [cos * step, -sin * step];
  const matrix = new cv.Mat(
    [
      [a, b, x - (a * (size.width - 1) + b * (size.height - 1)) / 2],
      [-b, a, y - (a * (size.height - 1) - b * (size.width - 1)) / 2],
    ],
    cv.CV_64F,
  );
  try {
    return grey.warpAffine(matrix, size, cv.INTER_LINEAR | WARP_INVERSE_MAP, cv.BORDER_REPLICATE);
  } finally {
    matrix.release();
  }
}
