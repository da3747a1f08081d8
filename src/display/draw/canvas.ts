import type { Box } from "../../base/box.js";
import { cv, type Mat } from "../../base/opencv.js";
import { BLACK } from "./palette.js";
import { fill, type Size } from "./pencil.js";

/**
 * A BGR picture that OpenCV draws on and a pipe is written from, without a copy between the two: the Mat is a
 * view of the buffer. Neither may be used after `release()`, and the Mat holds no native pixels of its own.
 */
export interface Canvas extends Size {
  readonly pixels: Buffer;
  readonly mat: Mat;
  release(): void;
}

/** A black canvas. */
export function createCanvas(width: number, height: number): Canvas {
  const pixels = Buffer.alloc(width * height * 3);
  const mat = new cv.Mat(height, width, cv.CV_8UC3, pixels, width * 3);
  return { width, height, pixels, mat, release: () => mat.release() };
}

const STRIP = 0.062;

/** Height of the status strip at the foot of a canvas. */
export function stripHeight(canvasHeight: number): number {
  return Math.max(16, Math.round(canvasHeight * STRIP));
}

/** Height of the canvas whose strip leaves a picture of this height free. */
export function heightWithStrip(pictureHeight: number): number {
  return Math.max(pictureHeight + 16, Math.round(pictureHeight / (1 - STRIP)));
}

/** Where a frame goes: as large as fits above the strip, its shape kept, in the middle. */
export function placeFrame(canvas: Size, frame: Size): Box {
  const room = canvas.height - stripHeight(canvas.height);
  const scale = Math.min(canvas.width / frame.width, room / frame.height);
  const width = Math.max(1, Math.round(frame.width * scale));
  const height = Math.max(1, Math.round(frame.height * scale));
  return { x: Math.floor((canvas.width - width) / 2), y: Math.floor((room - height) / 2), width, height };
}

/**
 * Scales a frame into its place on the canvas and blackens what is around it. `picture` is only read, and not
 * after the promise is settled.
 */
export async function placePicture(canvas: Canvas, picture: Mat, place: Box): Promise<void> {
  // Averaging keeps a much smaller picture free of moiré, and costs five times as much.
  const shrinks = place.width < picture.cols * 0.6;
  const scaled = await picture.resizeAsync(
    place.height,
    place.width,
    0,
    0,
    shrinks ? cv.INTER_AREA : cv.INTER_LINEAR,
  );
  try {
    const region = canvas.mat.getRegion(new cv.Rect(place.x, place.y, place.width, place.height));
    try {
      scaled.copyTo(region).release();
    } finally {
      region.release();
    }
  } finally {
    scaled.release();
  }
  const right = place.x + place.width;
  const bottom = place.y + place.height;
  fill(canvas.mat, { x: 0, y: 0, width: place.x, height: canvas.height }, BLACK);
  fill(canvas.mat, { x: right, y: 0, width: canvas.width - right, height: canvas.height }, BLACK);
  fill(canvas.mat, { x: place.x, y: 0, width: place.width, height: place.y }, BLACK);
  fill(canvas.mat, { x: place.x, y: bottom, width: place.width, height: canvas.height - bottom }, BLACK);
}
