import { grouped } from "./grouping.js";
import { type Cascades, scanBy, sizeFor } from "./neighbourhood.js";
import type { Mat } from "./opencv.js";
import { cutPatch } from "./patch.js";
import type { ScanUnit } from "./schedule.js";
import type { Sighting } from "./sighting.js";

/**
 * Looks for new faces where the schedule says: each part is first brought to one size.
 *
 * @param minHits that make a sighting. A single one may: windows are two pixels apart at the smallest sizes, where a
 *   weak face makes no second, and who asks has its own ways to tell what is none.
 */
export async function scanUnit(
  cascades: Cascades,
  grey: Mat,
  unit: ScanUnit,
  minHits: number,
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
