import { cv, type Mat } from "../../src/base/opencv.js";

/** Grey levels that the sensor's noise adds or takes at most. */
const NOISE = 3;
/** Different frames; then they come again. */
const FRAMES = 30;
/** Widest thing in the room, as a share of its width. */
const LARGEST = 0.3;

/**
 * An empty room that nothing moves in but the sensor's noise: furniture of plain rectangles, the same in every run.
 * The caller releases the frames.
 */
export function stillScene(width: number, height: number): Mat[] {
  const random = createRandom();
  const room = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) room.fill(90 + Math.round((60 * y) / height), y * width, (y + 1) * width);
  for (let thing = 0; thing < 40; thing++) {
    const [w, h] = [1 + random() * width * LARGEST, 1 + random() * height * LARGEST];
    const [x, y] = [Math.floor(random() * (width - w)), Math.floor(random() * (height - h))];
    const level = Math.floor(random() * 220) + 20;
    for (let row = y; row < y + h; row++) room.fill(level, row * width + x, row * width + Math.floor(x + w));
  }
  return Array.from({ length: FRAMES }, () => {
    const noisy = Buffer.from(room);
    for (let index = 0; index < noisy.length; index++) {
      const level = (noisy[index] as number) + Math.floor(random() * (2 * NOISE + 1)) - NOISE;
      noisy[index] = Math.min(255, Math.max(0, level));
    }
    return new cv.Mat(noisy, height, width, cv.CV_8UC1);
  });
}

/** Numerical Recipes' generator: the same room and noise in every run. */
function createRandom(): () => number {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
