import type { Thumbnail } from "./motion.js";

/** Grey levels by which the mean of a cell changes where something else is to be seen: noise is a tenth of it. */
const CHANGED = 24;

/**
 * How much of the picture is another: the share of cells, 0 to 1, that changed. A change of light counts, for it may show
 * who was in the dark; so does another size.
 */
export function changedShare(before: Thumbnail, after: Thumbnail): number {
  if (before.columns !== after.columns || before.rows !== after.rows) return 1;
  const changed = after.cells.reduce(
    (count, level, index) =>
      Math.abs(level - (before.cells[index] as number)) > CHANGED ? count + 1 : count,
    0,
  );
  return changed / after.cells.length;
}
