import { cv, type Mat } from "../../base/opencv.js";

/** Of EXIF's orientations, how to turn the picture, and whether to mirror it then. */
const STEPS: Readonly<Record<number, { readonly turn?: number; readonly mirror: boolean }>> = {
  2: { mirror: true },
  3: { turn: cv.ROTATE_180, mirror: false },
  4: { turn: cv.ROTATE_180, mirror: true },
  5: { turn: cv.ROTATE_90_CLOCKWISE, mirror: true },
  6: { turn: cv.ROTATE_90_CLOCKWISE, mirror: false },
  7: { turn: cv.ROTATE_90_COUNTERCLOCKWISE, mirror: true },
  8: { turn: cv.ROTATE_90_COUNTERCLOCKWISE, mirror: false },
};
const LEFT_TO_RIGHT = 1;

/** Turns and mirrors a picture as EXIF's orientation says. Takes the picture, and gives the one to be released. */
export async function upright(picture: Mat, orientation: number): Promise<Mat> {
  const { turn, mirror = false } = STEPS[orientation] ?? {};
  let current = picture;
  const step = async (next: Promise<Mat>) => {
    try {
      return await next;
    } finally {
      current.release();
    }
  };
  if (turn !== undefined) current = await step(current.rotateAsync(turn));
  if (mirror) current = await step(current.flipAsync(LEFT_TO_RIGHT));
  return current;
}
