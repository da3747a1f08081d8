import type { Box } from "../base/box.js";
import { cv, type Mat } from "../base/opencv.js";
import { grouped } from "./grouping.js";
import { type Cascades, scanBy, sizeFor } from "./neighbourhood.js";
import { cutPatch, type Patch } from "./patch.js";
import type { ScanUnit } from "./scan-unit.js";
import type { Sighting } from "./sighting.js";

/** A face that is followed, and the grey level that hides it best. */
export interface KnownFace {
  /** In pixels of the frame. */
  readonly box: Box;
  readonly level: number;
}

/** Radius of the disc that hides a known face, in face widths: eyes, nose and mouth. */
const DISC = 0.5;
/** Thickness that makes OpenCV fill a circle. */
const FILLED = -1;
/**
 * A known face smaller than this share of the smallest that is looked for stays as it is: should it be a false alarm
 * in a mouth, it must not hide the face around it.
 */
const HIDDEN_FROM = 0.5;

/**
 * Looks for new faces where the schedule says: each part is first brought to one size.
 *
 * @param known faces that are not looked for: a cascade spends most of its time on what is a face, and these are
 *   painted over first.
 * @param minHits that make a sighting. A single one may: windows are two pixels apart at the smallest sizes, where a
 *   weak face makes no second, and who asks has its own ways to tell what is none.
 */
export async function scanUnit(
  cascades: Cascades,
  grey: Mat,
  unit: ScanUnit,
  minHits: number,
  known: readonly KnownFace[],
): Promise<Sighting[]> {
  const { region, minSize, maxSize, angle, by, face, scaleFactor } = unit;
  const columns = Math.round((region.width * face) / minSize);
  const patch = cutPatch(
    grey,
    {
      x: region.x + region.width / 2,
      y: region.y + region.height / 2,
      width: region.width,
      height: region.height,
      angle,
    },
    columns,
  );
  try {
    hide(patch, known, minSize);
    const hits = await scanBy(cascades, patch.picture, by, {
      minSize: face * sizeFor(by),
      maxSize: (maxSize * face * sizeFor(by)) / minSize + 1,
      scaleFactor,
      minNeighbors: 0,
    });
    const faces = grouped(hits.map(({ box }) => box)).filter(({ hits: count }) => count >= minHits);
    return faces.map(({ box, hits: count }) => ({
      box: patch.toFrame(box),
      score: count,
      by: "cascade",
      trackId: null,
      angle,
    }));
  } finally {
    patch.picture.release();
  }
}

function hide(patch: Patch, known: readonly KnownFace[], smallest: number): void {
  for (const { box, level } of known) {
    if (box.width < HIDDEN_FROM * smallest) continue;
    const disc = patch.toPatch({
      x: box.x + box.width / 2,
      y: box.y + box.height / 2,
      radius: box.width * DISC,
    });
    patch.picture.drawCircle(
      new cv.Point2(Math.round(disc.x), Math.round(disc.y)),
      Math.round(disc.radius),
      new cv.Vec3(level, level, level),
      FILLED,
    );
  }
}
