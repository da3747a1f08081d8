import type { Box } from "../base/box.js";

/** Windows of a cascade that are one face: their mean, and how many they are. */
export interface Group {
  readonly box: Box;
  readonly hits: number;
}

/** How far the edges of two windows may be apart, in their mean size. */
const LIKENESS = 0.2;

/**
 * Joins windows that lie over each other, as OpenCV's own grouping does; but that throws single windows away, which
 * are all that a weak face makes.
 */
export function grouped(boxes: readonly Box[]): Group[] {
  const groups: { x: number; y: number; width: number; height: number; hits: number }[] = [];
  for (const box of boxes) {
    const group = groups.find((one) => isAlike(one, box));
    if (group === undefined) {
      groups.push({ ...box, hits: 1 });
      continue;
    }
    group.hits++;
    group.x += (box.x - group.x) / group.hits;
    group.y += (box.y - group.y) / group.hits;
    group.width += (box.width - group.width) / group.hits;
    group.height += (box.height - group.height) / group.hits;
  }
  return groups.map(({ hits, ...box }) => ({ box, hits }));
}

function isAlike(a: Box, b: Box): boolean {
  const delta = (LIKENESS * (Math.min(a.width, b.width) + Math.min(a.height, b.height))) / 2;
  return (
    Math.abs(a.x - b.x) <= delta &&
    Math.abs(a.y - b.y) <= delta &&
    Math.abs(a.x + a.width - b.x - b.width) <= delta &&
    Math.abs(a.y + a.height - b.y - b.height) <= delta
  );
}
