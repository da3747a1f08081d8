import { cv, type Mat } from "../../src/base/opencv.js";

/** All frames of a short clip, in colour; the caller releases them. */
export function readClip(path: string): Mat[] {
  const capture = new cv.VideoCapture(path);
  const frames: Mat[] = [];
  try {
    for (;;) {
      const picture = capture.read();
      if (picture.empty) {
        picture.release();
        return frames;
      }
      frames.push(picture);
    }
  } finally {
    capture.release();
  }
}
