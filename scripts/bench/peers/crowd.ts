import { closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { cv, type Mat } from "../../../src/base/opencv.js";
import { loadCascade } from "../../../src/vision/cascade.js";
import type { TrueFace } from "../accuracy.js";
import { type BenchClip, SAMPLE_PHOTOS } from "./clips.js";

export interface CrowdOptions {
  readonly name: string;
  readonly width: number;
  readonly height: number;
  readonly faces: number;
  /** Size of each face, as a fraction of the height. */
  readonly faceSize: number;
  readonly minFaceSize: number | null;
  readonly frames: number;
  readonly folder: string;
}

/** A head cut out of a photo, with the hair and chin around its face. */
export interface Head {
  readonly picture: Mat;
  /** Side of the picture over that of the face's box. */
  readonly perBox: number;
}

const FRAMES_PER_SECOND = 30;
/** How far a head reaches over its face on each side, in face sizes. */
const HEAD = 0.35;
/** Heads circle about their places: radius in face sizes, and frames for a round. */
const RADIUS = 0.22;
const ROUND = 50;
/** Hits that make sure it is a face: what is pasted must be one. */
const SURE = 12;
const SMALLEST_HEAD = 60;

/** Heads from face-api's sample photos, all that the cascade is sure of; the caller releases them. */
export async function sampleHeads(): Promise<Head[]> {
  const cascade = loadCascade("frontalface_default");
  const heads: Head[] = [];
  for (const number of [1, 2, 3, 4, 5, 6]) {
    const photo = cv.imread(join(SAMPLE_PHOTOS, `sample${number}.jpg`));
    const grey = photo.cvtColor(cv.COLOR_BGR2GRAY);
    photo.release();
    const hits = await cascade.scan(grey, { minSize: SMALLEST_HEAD, scaleFactor: 1.1, minNeighbors: SURE });
    for (const { box } of hits) {
      const around = Math.round(box.width * HEAD);
      const side = box.width + 2 * around;
      const [x, y] = [box.x - around, box.y - around];
      if (x < 0 || y < 0 || x + side > grey.cols || y + side > grey.rows) continue;
      heads.push({
        picture: grey.getRegion(new cv.Rect(x, y, side, side)).copy(),
        perBox: side / box.width,
      });
    }
    grey.release();
  }
  if (heads.length === 0) throw new Error(`no face in the photos of ${SAMPLE_PHOTOS}`);
  return heads;
}

/** A composed clip: so many heads, spread over the frame, each on a small round, before a wall with a pattern. */
export function crowd(heads: readonly Head[], options: CrowdOptions): BenchClip {
  const { width, height, faces, frames } = options;
  const size = Math.round(options.faceSize * height);
  const scaled = Array.from({ length: faces }, (_, index) => {
    const head = heads[index % heads.length] as Head;
    const side = Math.round(size * head.perBox);
    return { side, picture: head.picture.resize(side, side, 0, 0, cv.INTER_AREA), offset: (side - size) / 2 };
  });
  const wall = wallpaper(width, height);
  const file = join(options.folder, `${options.name}.i420`);
  const out = openSync(file, "w");
  const chroma = Buffer.alloc((width * height) / 2, 128);
  const truth: TrueFace[][] = [];
  try {
    for (let frame = 0; frame < frames; frame++) {
      const picture = wall.copy();
      const there: TrueFace[] = [];
      for (const [index, { side, picture: head, offset }] of scaled.entries()) {
        const place = placeOf(index, faces, frame, size, options);
        const x = Math.min(width - side, Math.max(0, Math.round(place.x - side / 2)));
        const y = Math.min(height - side, Math.max(0, Math.round(place.y - side / 2)));
        const region = picture.getRegion(new cv.Rect(x, y, side, side));
        head.copyTo(region);
        region.release();
        there.push({
          person: String(index),
          box: { x: x + offset, y: y + offset, width: size, height: size },
        });
      }
      truth.push(there);
      writeSync(out, picture.getData());
      writeSync(out, chroma);
      picture.release();
    }
  } finally {
    closeSync(out);
    wall.release();
    for (const { picture } of scaled) picture.release();
  }
  return {
    name: options.name,
    width,
    height,
    framesPerSecond: FRAMES_PER_SECOND,
    frames,
    files: { i420: file },
    truth,
    minFaceSize: options.minFaceSize,
  };
}

/** Middle of a head: a grid over the frame, and a round of its own about its place there. */
export function placeOf(
  index: number,
  faces: number,
  frame: number,
  size: number,
  { width, height }: { readonly width: number; readonly height: number },
): { x: number; y: number } {
  const columns = Math.ceil(Math.sqrt((faces * width) / height));
  const rows = Math.ceil(faces / columns);
  const phase = 2 * Math.PI * (frame / ROUND + index / Math.max(1, faces));
  return {
    x: ((index % columns) + 0.5) * (width / columns) + Math.cos(phase) * RADIUS * size,
    y: (Math.floor(index / columns) + 0.5) * (height / rows) + Math.sin(phase) * RADIUS * size,
  };
}

/** Soft noise in two sizes, as hard for a cascade to rule out as the rooms of the clips are (a crowd's photo is harder). */
function wallpaper(width: number, height: number): Mat {
  let state = 7;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  };
  let wall = new cv.Mat(height, width, cv.CV_8UC1, 128);
  for (const cells of [4, 12]) {
    const pixels = Buffer.from(Array.from({ length: cells * cells }, random));
    const small = new cv.Mat(pixels, cells, cells, cv.CV_8UC1);
    const large = small.resize(height, width, 0, 0, cv.INTER_CUBIC);
    const mixed = wall.addWeighted(0.6, large, 0.4, 0);
    for (const mat of [small, large, wall]) mat.release();
    wall = mixed;
  }
  return wall;
}
