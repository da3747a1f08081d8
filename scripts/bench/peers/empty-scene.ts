import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";
import { type BenchClip, fileOf } from "./clips.js";

const FRAMES = 40;
const FRAMES_PER_SECOND = 30;
/** Grey levels that the sensor's noise adds or takes at most. */
const NOISE = 3;
/** How much of a person is painted over, in face sizes. */
const COVER = 1.8;

/** A clip's first frame with its faces painted over: a room that nothing moves in but the sensor's noise. */
export function emptyScene(clip: BenchClip, folder: string): BenchClip {
  const { width, height } = clip;
  const pixels = width * height;
  const room = Buffer.alloc(pixels);
  const source = openSync(fileOf(clip, "i420"), "r");
  readSync(source, room, 0, pixels, 0);
  closeSync(source);
  const average = Math.round(room.reduce((sum, level) => sum + level, 0) / pixels);
  for (const { box } of clip.truth?.[0] ?? []) {
    const side = box.width * COVER;
    const left = Math.max(0, Math.round(box.x + (box.width - side) / 2));
    const top = Math.max(0, Math.round(box.y + (box.height - side) / 2));
    for (let y = top; y < Math.min(height, top + side); y++)
      room.fill(average, y * width + left, y * width + Math.min(width, Math.round(left + side)));
  }
  const files = { i420: join(folder, "empty-scene.i420"), rgb: join(folder, "empty-scene.rgb") };
  const [i420, rgb] = [openSync(files.i420, "w"), openSync(files.rgb, "w")];
  const [grey, colours, chroma] = [
    Buffer.alloc(pixels),
    Buffer.alloc(pixels * 3),
    Buffer.alloc(pixels / 2, 128),
  ];
  let state = 1;
  for (let frame = 0; frame < FRAMES; frame++) {
    for (let index = 0; index < pixels; index++) {
      // Numerical Recipes' generator: the same noise in every run.
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      const level = (room[index] ?? 0) + ((state >>> 24) % (2 * NOISE + 1)) - NOISE;
      const kept = Math.min(255, Math.max(0, level));
      grey[index] = kept;
      colours.fill(kept, index * 3, index * 3 + 3);
    }
    writeSync(i420, grey);
    writeSync(i420, chroma);
    writeSync(rgb, colours);
  }
  closeSync(i420);
  closeSync(rgb);
  return {
    name: "empty scene",
    width,
    height,
    framesPerSecond: FRAMES_PER_SECOND,
    frames: FRAMES,
    files,
    minFaceSize: null,
    truth: Array.from({ length: FRAMES }, () => []),
  };
}
