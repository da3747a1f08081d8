import type { Box } from "../../src/base/box.js";
import { cv, type Mat } from "../../src/base/opencv.js";

const COLOURS = [
  [0, 255, 0],
  [0, 160, 255],
  [255, 80, 255],
  [255, 255, 0],
] as const;

/** Draws labelled boxes and a title into a colour picture. */
export function drawFrame(picture: Mat, title: string, boxes: readonly { box: Box; label: string }[]): void {
  picture.putText(title, new cv.Point2(4, 16), cv.FONT_HERSHEY_SIMPLEX, 0.5, new cv.Vec3(0, 255, 255), 1);
  for (const [index, { box, label }] of boxes.entries()) {
    const [blue, green, red] = COLOURS[index % COLOURS.length] ?? COLOURS[0];
    const colour = new cv.Vec3(blue, green, red);
    picture.drawRectangle(
      new cv.Rect(Math.round(box.x), Math.round(box.y), Math.round(box.width), Math.round(box.height)),
      colour,
      1,
    );
    picture.putText(label, new cv.Point2(box.x, box.y - 3), cv.FONT_HERSHEY_SIMPLEX, 0.35, colour, 1);
  }
}
