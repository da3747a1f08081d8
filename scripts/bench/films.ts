import { writeFileSync } from "node:fs";
import { cv, type Mat } from "../../src/base/opencv.js";
import { readClip } from "../ground-truth/read-clip.js";

/** Frames of a still scene: enough that its noise does not repeat within a second. */
const STILL_FRAMES = 31;
/** Standard deviation of a camera's noise by day, in grey levels. */
const NOISE = 2;

/**
 * Writes a clip's frames as the Pi's camera delivers them (planar YUV 4:2:0), fitted into the size with black bars.
 *
 * @returns how many.
 */
export function filmOfClip(clip: string, file: string, width: number, height: number): number {
  const frames = readClip(clip);
  const film = frames.map((picture) => {
    const scale = Math.min(width / picture.cols, height / picture.rows);
    const [columns, rows] = [Math.round(picture.cols * scale), Math.round(picture.rows * scale)];
    const fitted = picture.resize(rows, columns, 0, 0, cv.INTER_CUBIC);
    const [left, top] = [(width - columns) >> 1, (height - rows) >> 1];
    const framed = fitted.copyMakeBorder(
      top,
      height - rows - top,
      left,
      width - columns - left,
      cv.BORDER_CONSTANT,
      new cv.Vec3(0, 0, 0),
    );
    const bytes = i420(framed);
    for (const mat of [picture, fitted, framed]) mat.release();
    return bytes;
  });
  writeFileSync(file, Buffer.concat(film));
  return film.length;
}

/** Writes a room with nobody in it: shapes that stand still under a camera's noise. */
export function filmOfEmptyRoom(file: string, width: number, height: number): void {
  const room = Buffer.alloc(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const wall = 110 + (60 * x) / width;
      const window = x > width * 0.6 && x < width * 0.85 && y > height * 0.1 && y < height * 0.45 ? 60 : 0;
      const table = y > height * 0.7 ? -50 : 0;
      const shelf = x < width * 0.3 && y % 60 < 6 ? -40 : 0;
      room[y * width + x] = wall + window + table + shelf;
    }
  }
  const random = gaussian(1);
  const chroma = Buffer.alloc((width * height) / 2, 128);
  const film: Buffer[] = [];
  for (let frame = 0; frame < STILL_FRAMES; frame++) {
    film.push(Buffer.from(room.map((level) => Math.round(level + NOISE * random()))), chroma);
  }
  writeFileSync(file, Buffer.concat(film));
}

function i420(picture: Mat): Buffer {
  const planes = picture.cvtColor(cv.COLOR_BGR2YUV_I420);
  const bytes = planes.getData();
  planes.release();
  return bytes;
}

/** Normally distributed numbers, the same for the same seed. */
function gaussian(seed: number): () => number {
  let state = seed;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 1) / 4294967297;
  };
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
}
