import { closeSync, openSync, writeSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { Box } from "../../../src/base/box.js";
import { cv, type Mat } from "../../../src/base/opencv.js";
import { readClip } from "../../ground-truth/read-clip.js";
import type { TrueFace } from "../accuracy.js";
import { readGroundTruths } from "../truth.js";
import type { Pixels } from "./contestant.js";

/** A clip, brought to one size and written out for every contestant. */
export interface BenchClip {
  readonly name: string;
  readonly width: number;
  readonly height: number;
  readonly framesPerSecond: number;
  readonly frames: number;
  /** In the layouts that somebody reads. */
  readonly files: Readonly<Partial<Record<Pixels, string>>>;
  /** Null where nobody knows where the faces are. */
  readonly truth: readonly (readonly TrueFace[])[] | null;
  /** Smallest face as a fraction of the height; null for everyone's own default. */
  readonly minFaceSize: number | null;
}

/** The clip in a layout. */
export function fileOf({ name, files }: BenchClip, pixels: Pixels): string {
  const file = files[pixels];
  if (file === undefined) throw new Error(`${name} was not written as ${pixels}`);
  return file;
}

/** How a picture of another shape comes to the size: with black bars, or out of shape. */
export type Fit = "bars" | "stretch";

export interface ClipOptions {
  readonly width: number;
  readonly height: number;
  readonly fit: Fit;
  /** Frames of each clip at most. */
  readonly frames: number;
  /** Where the files go. */
  readonly folder: string;
}

/** The clips with a ground truth that are there; without any, the sample photos of face-api, moving. */
export async function prepareClips(options: ClipOptions): Promise<BenchClip[]> {
  const clips: BenchClip[] = [];
  for (const { truth, file } of await readGroundTruths()) {
    if (file === null) continue;
    const pictures = readClip(file);
    try {
      const place = placement(truth, options);
      const some = pictures.slice(0, options.frames);
      clips.push({
        ...writeFrames(
          truth.clip,
          some.map((picture) => () => placed(picture, place, options)),
          options,
        ),
        framesPerSecond: truth.framesPerSecond,
        minFaceSize: null,
        truth: truth.frames
          .slice(0, some.length)
          .map((faces) => faces.map(({ person, box }) => ({ person, box: placedBox(box, place) }))),
      });
    } finally {
      for (const picture of pictures) picture.release();
    }
  }
  if (clips.length > 0) return clips;
  console.error(
    "bench:peers: the clips of test/ground-truth are not there (EMOTIOND_CLIPS names their folder): using face-api's sample photos, without recall and precision",
  );
  return [samplePhotos(options)];
}

/** Where a picture comes to lie in the frame. */
export interface Placement {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly across: number;
  readonly down: number;
}

/** Scales a picture into the frame, in the middle. */
export function placement(
  picture: { readonly width: number; readonly height: number },
  { width, height, fit }: Pick<ClipOptions, "width" | "height" | "fit">,
): Placement {
  const scale = Math.min(width / picture.width, height / picture.height);
  const size =
    fit === "stretch"
      ? { width, height }
      : { width: Math.round(picture.width * scale), height: Math.round(picture.height * scale) };
  return {
    x: Math.floor((width - size.width) / 2),
    y: Math.floor((height - size.height) / 2),
    ...size,
    across: size.width / picture.width,
    down: size.height / picture.height,
  };
}

export function placedBox(box: Box, place: Placement): Box {
  return {
    x: box.x * place.across + place.x,
    y: box.y * place.down + place.y,
    width: box.width * place.across,
    height: box.height * place.down,
  };
}

function placed(picture: Mat, place: Placement, { width, height }: ClipOptions): Mat {
  const scaled = picture.resize(place.height, place.width, 0, 0, cv.INTER_LINEAR);
  if (place.width === width && place.height === height) return scaled;
  const right = width - place.width - place.x;
  const bottom = height - place.height - place.y;
  const whole = scaled.copyMakeBorder(place.y, bottom, place.x, right, cv.BORDER_CONSTANT);
  scaled.release();
  return whole;
}

/** Writes frames (BGR, each made on demand) as the layouts that the contestants read. */
export function writeFrames(
  name: string,
  frames: readonly (() => Mat)[],
  { width, height, folder }: Pick<ClipOptions, "width" | "height" | "folder">,
): Pick<BenchClip, "name" | "width" | "height" | "frames" | "files"> {
  const files = { i420: join(folder, `${name}.i420`), rgb: join(folder, `${name}.rgb`) };
  const [i420, rgb] = [openSync(files.i420, "w"), openSync(files.rgb, "w")];
  // Nobody here looks at the colours of the planar layout; its luma is the grey picture that OpenCV makes.
  const chroma = Buffer.alloc((width * height) / 2, 128);
  try {
    for (const make of frames) {
      const bgr = make();
      const grey = bgr.cvtColor(cv.COLOR_BGR2GRAY);
      const colours = bgr.cvtColor(cv.COLOR_BGR2RGB);
      writeSync(i420, grey.getData());
      writeSync(i420, chroma);
      writeSync(rgb, colours.getData());
      for (const mat of [bgr, grey, colours]) mat.release();
    }
  } finally {
    closeSync(i420);
    closeSync(rgb);
  }
  return { name, width, height, frames: frames.length, files };
}

/** Where face-api keeps the photos of its demo. */
export const SAMPLE_PHOTOS = join(
  dirname(createRequire(import.meta.url).resolve("@vladmandic/face-api/package.json")),
  "demo",
);
const FRAMES_A_PHOTO = 30;

function samplePhotos(options: ClipOptions): BenchClip {
  const frames: (() => Mat)[] = [];
  const photos = [1, 2, 3, 4, 5, 6].map((number) => cv.imread(join(SAMPLE_PHOTOS, `sample${number}.jpg`)));
  for (const photo of photos) {
    const place = placement({ width: photo.cols, height: photo.rows }, { ...options, fit: "bars" });
    for (let index = 0; index < FRAMES_A_PHOTO && frames.length < options.frames; index++) {
      const sway = Math.round(8 * Math.sin((index * 2 * Math.PI) / FRAMES_A_PHOTO));
      frames.push(() => swayed(placed(photo, place, options), sway));
    }
  }
  const clip = writeFrames("sample-photos", frames, options);
  for (const photo of photos) photo.release();
  return { ...clip, framesPerSecond: 12.5, truth: null, minFaceSize: null };
}

function swayed(picture: Mat, by: number): Mat {
  const transform = new cv.Mat(
    [
      [1, 0, by],
      [0, 1, 0],
    ],
    cv.CV_64F,
  );
  const moved = picture.warpAffine(transform, new cv.Size(picture.cols, picture.rows));
  transform.release();
  picture.release();
  return moved;
}
