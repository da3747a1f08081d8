import type { Box } from "../../base/box.js";
import { cv, type Mat } from "../../base/opencv.js";
import type { Colour } from "./palette.js";

/** Drawing on a BGR Mat: whole pixels, anti-aliased lines, nothing outside the picture. */

const FONT = cv.FONT_HERSHEY_DUPLEX;
/** Height in pixels of a capital of the font at scale 1. */
const CAPITAL = 22;

export type Weight = "regular" | "bold";

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** OpenCV's fonts hold ASCII only; what they lack is written with what they have. */
export function toAscii(text: string): string {
  return text
    .normalize("NFKD")
    .replace(/[\u0300-\u036f]/g, "")
    .replace(/[–—]/g, "-")
    .replace(/[‘’]/g, "'")
    .replace(/[“”]/g, '"')
    .replace(/[^\x20-\x7e]/g, "?");
}

const bgr = ({ red, green, blue }: Colour) => new cv.Vec3(blue, green, red);

function corners(box: Box) {
  const left = Math.round(box.x);
  const top = Math.round(box.y);
  // OpenCV's rectangle includes its second corner.
  const right = Math.round(box.x + box.width) - 1;
  const bottom = Math.round(box.y + box.height) - 1;
  return { left, top, right, bottom };
}

/** Fills a rectangle. */
export function fill(picture: Mat, box: Box, colour: Colour): void {
  const { left, top, right, bottom } = corners(box);
  if (right < left || bottom < top) return;
  picture.drawRectangle(new cv.Point2(left, top), new cv.Point2(right, bottom), bgr(colour), -1);
}

/** Outlines a rectangle, the stroke half inside and half outside. Filled bars: OpenCV's thick lines end up uneven. */
export function outline(picture: Mat, box: Box, colour: Colour, thickness: number): void {
  const over = Math.floor(thickness / 2);
  const x = Math.round(box.x) - over;
  const y = Math.round(box.y) - over;
  const right = Math.round(box.x + box.width) + over;
  const bottom = Math.round(box.y + box.height) + over;
  const width = right - x;
  const height = bottom - y;
  fill(picture, { x, y, width, height: thickness }, colour);
  fill(picture, { x, y: bottom - thickness, width, height: thickness }, colour);
  fill(picture, { x, y, width: thickness, height }, colour);
  fill(picture, { x: right - thickness, y, width: thickness, height }, colour);
}

/** A straight line. */
export function line(
  picture: Mat,
  from: readonly [number, number],
  to: readonly [number, number],
  colour: Colour,
  thickness: number,
): void {
  picture.drawLine(
    new cv.Point2(Math.round(from[0]), Math.round(from[1])),
    new cv.Point2(Math.round(to[0]), Math.round(to[1])),
    bgr(colour),
    thickness,
    cv.LINE_AA,
  );
}

/** A filled disc. */
export function disc(picture: Mat, x: number, y: number, radius: number, colour: Colour): void {
  picture.drawCircle(new cv.Point2(Math.round(x), Math.round(y)), radius, bgr(colour), -1, cv.LINE_AA);
}

/** A filled polygon without dents. */
export function polygon(picture: Mat, points: readonly (readonly [number, number])[], colour: Colour): void {
  picture.drawFillConvexPoly(
    points.map(([x, y]) => new cv.Point2(Math.round(x), Math.round(y))),
    bgr(colour),
    cv.LINE_AA,
  );
}

/** Darkens a rectangle of the picture, so that what lies on it reads well and what lies under it still shows. */
export function shade(picture: Mat, box: Box, keep: number): void {
  const left = Math.max(0, Math.round(box.x));
  const top = Math.max(0, Math.round(box.y));
  const right = Math.min(picture.cols, Math.round(box.x + box.width));
  const bottom = Math.min(picture.rows, Math.round(box.y + box.height));
  if (right <= left || bottom <= top) return;
  const region = picture.getRegion(new cv.Rect(left, top, right - left, bottom - top));
  let darker: Mat | undefined;
  try {
    darker = region.convertTo(cv.CV_8UC3, keep, 0);
    darker.copyTo(region).release();
  } finally {
    darker?.release();
    region.release();
  }
}

/** Width and height of a line of text whose capitals are `capital` pixels high. */
export function measure(text: string, capital: number, weight: Weight = "regular"): Size {
  const { size } = cv.getTextSize(text, FONT, capital / CAPITAL, 1);
  return { width: size.width + extraStrokes(capital, weight), height: capital };
}

/** Writes a line of text, its left end on `x`, its baseline on `y`. */
export function write(
  picture: Mat,
  text: string,
  x: number,
  y: number,
  capital: number,
  colour: Colour,
  weight: Weight = "regular",
): void {
  const vector = bgr(colour);
  const scale = capital / CAPITAL;
  // A stroke of two pixels costs OpenCV nine times one of one: text is written twice instead, a little apart.
  const strokes = extraStrokes(capital, weight);
  for (let offset = 0; offset <= strokes; offset++) {
    picture.putText(
      text,
      new cv.Point2(Math.round(x) + offset, Math.round(y)),
      FONT,
      scale,
      vector,
      1,
      cv.LINE_AA,
    );
  }
}

/** How many pixels the stroke is wider than one. */
const extraStrokes = (capital: number, weight: Weight) =>
  (capital >= 20 ? 1 : 0) + (weight === "bold" ? Math.max(1, Math.round(capital / 25)) : 0);

/** The text cut to a width, with dots where something went. */
export function shorten(text: string, capital: number, width: number, weight: Weight = "regular"): string {
  if (measure(text, capital, weight).width <= width) return text;
  let low = 0;
  let high = text.length;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (measure(`${text.slice(0, middle)}..`, capital, weight).width <= width) low = middle;
    else high = middle - 1;
  }
  return low === 0 ? "" : `${text.slice(0, low).trimEnd()}..`;
}
