import type { Box } from "../base/box.js";
import { cv, type Mat } from "../base/opencv.js";
import { CROP_PER_BOX } from "./crop-size.js";

export interface CropOptions {
  /** How far the head is tilted, in degrees, clockwise in the picture; the crop is turned back by as much. */
  readonly rotation?: number;
}

/** Heads tilted by less than this, in degrees, are cut out as they are: the network has seen such. */
const SLIGHT_TILT = 8;

/** By how many degrees to turn the crop of a head that is tilted by `angle`. */
export function cropRotation(angle: number): number {
  return Math.abs(angle) < SLIGHT_TILT ? 0 : angle;
}

/**
 * Cuts faces out of a grey picture the way the emotion network saw them in training: a square about the middle of
 * each box, edges of the picture replicated where it reaches over them.
 *
 * @param grey CV_8UC1; stays the caller's.
 * @param boxes in pixels of `grey`, as the cascade gives them.
 * @param side of each crop in pixels.
 * @returns `boxes.length` crops one after another, each `side`² bytes, row by row, 0 (black) to 255.
 */
export async function cropFaces(
  grey: Mat,
  boxes: readonly Box[],
  side: number,
  options: CropOptions = {},
): Promise<Uint8Array> {
  const crops = new Uint8Array(boxes.length * side * side);
  for (const [index, box] of boxes.entries()) {
    const face = await cropFace(grey, box, side, options);
    try {
      crops.set(await face.getDataAsync(), index * side * side);
    } finally {
      face.release();
    }
  }
  return crops;
}

async function cropFace(grey: Mat, box: Box, side: number, options: CropOptions): Promise<Mat> {
  const square = Math.max(2, Math.round(Math.max(box.width, box.height) * CROP_PER_BOX));
  const left = Math.round(box.x + (box.width - square) / 2);
  const top = Math.round(box.y + (box.height - square) / 2);
  const rotation = options.rotation ?? 0;
  if (rotation === 0) {
    const region = await replicatedRegion(grey, left, top, square);
    try {
      return await resized(region, side);
    } finally {
      region.release();
    }
  }
  // Room for the corners that the turned square reaches, √2 times its half side.
  const room = Math.ceil(square * 0.21);
  const around = await replicatedRegion(grey, left - room, top - room, square + 2 * room);
  try {
    const middle = (square + 2 * room - 1) / 2;
    const turn = cv.getRotationMatrix2D(new cv.Point2(middle, middle), rotation, 1);
    const upright = await around.warpAffineAsync(
      turn,
      new cv.Size(around.cols, around.rows),
      cv.INTER_LINEAR,
    );
    turn.release();
    const region = upright.getRegion(new cv.Rect(room, room, square, square));
    try {
      return await resized(region, side);
    } finally {
      region.release();
      upright.release();
    }
  } finally {
    around.release();
  }
}

/** A square part of the picture; what lies outside repeats the nearest edge pixel. */
async function replicatedRegion(grey: Mat, left: number, top: number, square: number): Promise<Mat> {
  const x0 = Math.min(Math.max(left, 0), grey.cols - 1);
  const y0 = Math.min(Math.max(top, 0), grey.rows - 1);
  const x1 = Math.max(Math.min(left + square, grey.cols), x0 + 1);
  const y1 = Math.max(Math.min(top + square, grey.rows), y0 + 1);
  const inside = grey.getRegion(new cv.Rect(x0, y0, x1 - x0, y1 - y0));
  if (x1 - x0 === square && y1 - y0 === square) return inside;
  try {
    const padLeft = Math.min(Math.max(x0 - left, 0), square - (x1 - x0));
    const padTop = Math.min(Math.max(y0 - top, 0), square - (y1 - y0));
    return await inside.copyMakeBorderAsync(
      padTop,
      square - (y1 - y0) - padTop,
      padLeft,
      square - (x1 - x0) - padLeft,
      cv.BORDER_REPLICATE,
    );
  } finally {
    inside.release();
  }
}

/** Area interpolation when shrinking, which averages what linear interpolation would skip. */
function resized(region: Mat, side: number): Promise<Mat> {
  const method = region.cols > side ? cv.INTER_AREA : cv.INTER_LINEAR;
  return region.resizeAsync(side, side, 0, 0, method);
}
