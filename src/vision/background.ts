import type { Cascade } from "./cascade.js";
import type { Mat } from "./opencv.js";
import { cutPatch } from "./patch.js";
import type { ScanUnit } from "./schedule.js";
import type { Sighting } from "./sighting.js";

/** Looks for new faces where the schedule says: each part is first brought to one size. */
export async function scanUnit(
  cascade: Cascade,
  grey: Mat,
  unit: ScanUnit,
  minNeighbors: number,
): Promise<Sighting[]> {
  const { region, minSize, maxSize, angle, face, scaleFactor } = unit;
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
    const hits = await cascade.scan(patch.picture, {
      minSize: face,
      maxSize: (maxSize * face) / minSize + 1,
      scaleFactor,
      minNeighbors,
    });
    return hits.map(({ box, neighbors }) => ({
      box: patch.toFrame(box),
      score: neighbors,
      by: "cascade",
      trackId: null,
      angle,
    }));
  } finally {
    patch.picture.release();
  }
}
