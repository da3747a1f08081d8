import { createHash } from "node:crypto";
import { type Dataset, PICTURE_PIXELS, select } from "./dataset.js";

export interface Deduplicated {
  readonly dataset: Dataset;
  /** Rows left out because an evaluation set has the same pixels. */
  readonly removed: number;
}

/** Leaves out the rows of `training` whose pixels are those of a row of `evaluation`: they would flatter the score. */
export function withoutDuplicates(training: Dataset, evaluation: readonly Dataset[]): Deduplicated {
  const known = new Set<string>();
  for (const set of evaluation) {
    for (let row = 0; row < set.count; row++) known.add(hash(set, row));
  }
  const kept: number[] = [];
  for (let row = 0; row < training.count; row++) {
    if (!known.has(hash(training, row))) kept.push(row);
  }
  return { dataset: select(training, kept), removed: training.count - kept.length };
}

function hash(set: Dataset, row: number): string {
  const pixels = set.pixels.subarray(row * PICTURE_PIXELS, (row + 1) * PICTURE_PIXELS);
  return createHash("sha1").update(pixels).digest("base64");
}
