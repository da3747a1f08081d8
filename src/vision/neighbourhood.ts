import type { Box } from "../base/box.js";
import { cv, type Mat } from "../base/opencv.js";
import type { Cascade, CascadeHit, ScanOptions } from "./cascade.js";
import type { Look } from "./look.js";
import { cutPatch, type Patch } from "./patch.js";
import type { Track } from "./tracker.js";

/** The cascades that a look can ask. */
export interface Cascades {
  readonly main: Cascade;
  readonly second: Cascade;
  readonly profile: Cascade;
}

/** A face found in a track's neighbourhood. */
export interface Found {
  readonly box: Box;
  readonly neighbors: number;
  readonly angle: number;
}

/** How widely a look searches: around the face in face widths, and its sizes as shares of the face's. */
export interface Reach {
  /** Width of the face in the patch, in pixels. */
  readonly face: number;
  readonly around: number;
  readonly minSize: number;
  readonly maxSize: number;
  readonly scaleFactor: number;
}

/** For a face that was seen in the frame before: windows two pixels apart, few of them. */
export const NARROW: Reach = { face: 36, around: 1.4, minSize: 0.8, maxSize: 1.25, scaleFactor: 1.15 };
/**
 * For a face that was missed, or may be none: OpenCV sets windows one pixel apart from twice the cascade's own size
 * on, which makes four times as many hits, at five times the cost.
 */
export const FINE: Reach = { face: 56, around: 1.4, minSize: 0.82, maxSize: 1.26, scaleFactor: 1.12 };

/** A neighbourhood is looked at because a face was there: fewer hits are enough. */
const MIN_NEIGHBORS = 1;
/**
 * The profile cascade boxes a head from forehead to ear. From its box to the frontal one's, in its widths: measured
 * on heads that both see, half turned.
 */
const PROFILE = { width: 0.8, forward: 0.16, down: 0.05 };

/** The neighbourhood of a face at a tilt, `around` face widths across, the face `width` pixels wide. */
function cutNeighbourhood(grey: Mat, face: Box, angle: number, around: number, width: number): Patch {
  const side = Math.max(face.width, face.height) * around;
  const [x, y] = [face.x + face.width / 2, face.y + face.height / 2];
  return cutPatch(grey, { x, y, width: side, height: side, angle }, Math.round(width * around));
}

/** Size of a cascade's window on a face whose frontal box has the size 1. */
export function sizeFor(by: Look["by"]): number {
  return by === "left" || by === "right" ? 1 / PROFILE.width : 1;
}

/** Asks one cascade for a face near where it is expected. */
export async function askCascade(
  cascades: Cascades,
  grey: Mat,
  expected: Box,
  by: Look["by"],
  angle: number,
  reach: Reach,
): Promise<Found | null> {
  const patch = cutNeighbourhood(grey, expected, angle, reach.around, reach.face);
  const scale = reach.face * sizeFor(by);
  const options = {
    minSize: scale * reach.minSize,
    maxSize: scale * reach.maxSize,
    scaleFactor: reach.scaleFactor,
    minNeighbors: MIN_NEIGHBORS,
  };
  try {
    const best = strongest(await scanBy(cascades, patch.picture, by, options));
    return best && { box: patch.toFrame(best.box), neighbors: best.neighbors, angle };
  } finally {
    patch.picture.release();
  }
}

/**
 * Shows a picture to one of the cascades.
 *
 * @returns its hits, a profile's as the frontal cascades would box the face.
 */
export async function scanBy(
  cascades: Cascades,
  picture: Mat,
  by: Look["by"],
  options: ScanOptions,
): Promise<CascadeHit[]> {
  switch (by) {
    case "main":
    case "second":
      return cascades[by].scan(picture, options);
    case "left": {
      const hits = await cascades.profile.scan(picture, options);
      return hits.map((hit) => ({ ...hit, box: frontal(hit.box, by) }));
    }
    case "right": {
      const hits = await mirrored(cascades.profile, picture, options);
      return hits.map((hit) => ({ ...hit, box: frontal(hit.box, by) }));
    }
  }
}

/** The cascade knows heads that look to the left of the picture. */
async function mirrored(cascade: Cascade, picture: Mat, options: ScanOptions): Promise<CascadeHit[]> {
  const flipped = picture.flip(1);
  try {
    const hits = await cascade.scan(flipped, options);
    return hits.map((hit) => ({ ...hit, box: { ...hit.box, x: picture.cols - hit.box.x - hit.box.width } }));
  } finally {
    flipped.release();
  }
}

function frontal(box: Box, looking: "left" | "right"): Box {
  const width = box.width * PROFILE.width;
  const height = box.height * PROFILE.width;
  const x = box.x + box.width / 2 + box.width * PROFILE.forward * (looking === "left" ? -1 : 1);
  const y = box.y + box.height / 2 + box.height * PROFILE.down;
  return { x: x - width / 2, y: y - height / 2, width, height };
}

function strongest(hits: readonly CascadeHit[]): CascadeHit | null {
  return hits.reduce<CascadeHit | null>(
    (most, hit) => (most === null || hit.neighbors > most.neighbors ? hit : most),
    null,
  );
}

/** What a face looked like, upright, with a little of what was around it. */
export interface Appearance {
  /** `LOOK`² bytes, row by row. */
  readonly cells: Uint8Array;
  readonly box: Box;
  readonly angle: number;
}

/** Width of a remembered look, in face widths and in pixels. */
const LOOK_AROUND = 1.2;
const LOOK_FACE = 30;
const LOOK = Math.round(LOOK_FACE * LOOK_AROUND);

/** Takes the look of a face out of the frame. */
export function appearanceOf(grey: Mat, box: Box, angle: number): Appearance {
  const patch = cutNeighbourhood(grey, box, angle, LOOK_AROUND, LOOK_FACE);
  try {
    return { cells: patch.picture.getData(), box, angle };
  } finally {
    patch.picture.release();
  }
}

/** Mean difference of two looks in grey levels, apart from a change of light; 0 when they are equal. */
export function difference(a: Uint8Array, b: Uint8Array): number {
  let shift = 0;
  for (let index = 0; index < a.length; index++) shift += (a[index] as number) - (b[index] as number);
  shift /= a.length;
  let sum = 0;
  for (let index = 0; index < a.length; index++)
    sum += Math.abs((a[index] as number) - (b[index] as number) - shift);
  return sum / a.length;
}

/** Correlation from which a match is the same face (1 is equal). */
const SAME_LOOK = 0.72;
/** How far around a face to search for its look, in face widths across. */
const TEMPLATE_AROUND = 1.75;

/**
 * Looks for what a face looked like near where it is expected. Synchronous: it takes 0.1 ms.
 *
 * @returns where it is and how alike it is (correlation, up to 1), or null when nothing near looks like it.
 */
export function findAppearance(
  grey: Mat,
  look: Appearance,
  near: Box,
): { readonly box: Box; readonly correlation: number } | null {
  const template = new cv.Mat(Buffer.from(look.cells), LOOK, LOOK, cv.CV_8UC1);
  const patch = cutNeighbourhood(grey, near, look.angle, TEMPLATE_AROUND, LOOK_FACE);
  try {
    const response = patch.picture.matchTemplate(template, cv.TM_CCOEFF_NORMED);
    const best = response.minMaxLoc();
    response.release();
    // A look of one plain colour correlates with nothing: the result is not a number.
    if (!(best.maxVal >= SAME_LOOK)) return null;
    const margin = (LOOK - LOOK_FACE) / 2;
    const box = patch.toFrame({
      x: best.maxLoc.x + margin,
      y: best.maxLoc.y + margin,
      width: LOOK_FACE,
      height: LOOK_FACE,
    });
    return { box, correlation: best.maxVal };
  } finally {
    patch.picture.release();
    template.release();
  }
}

/** Where a face is expected, `elapsed` seconds after its track was last brought up to date. */
export function expectedBox(track: Track, elapsed: number): Box {
  return {
    ...track.box,
    x: track.box.x + track.velocity.x * elapsed,
    y: track.box.y + track.velocity.y * elapsed,
  };
}
