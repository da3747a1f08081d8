import { EMOTION_COUNT } from "../../src/base/labels.js";
import type { Dataset } from "./data/dataset.js";
import { OUTPUTS } from "./heads.js";
import type { Random } from "./random.js";

/**
 * What the two heads should say about each picture, `count` × 14. A head whose seven are all zero is not asked (no
 * votes, or raters who saw none of the seven); a head's sum below 1 counts that much less.
 */
export function targets(dataset: Dataset, smoothing: number): Float32Array {
  const values = new Float32Array(dataset.count * OUTPUTS);
  for (let row = 0; row < dataset.count; row++) {
    const at = row * OUTPUTS;
    values.fill(smoothing / EMOTION_COUNT, at, at + EMOTION_COUNT);
    const own = at + (dataset.labels[row] as number);
    values[own] = (values[own] as number) + 1 - smoothing;
    if (dataset.votes === null) continue;
    const total = dataset.votes.totals[row] as number;
    if (total === 0) continue;
    for (let label = 0; label < EMOTION_COUNT; label++) {
      values[at + EMOTION_COUNT + label] =
        (dataset.votes.counts[row * EMOTION_COUNT + label] as number) / total;
    }
  }
  return values;
}

/**
 * Mixes a teacher's answers into the targets: `share` of them, the rest of the targets. They soften labels that are
 * wrong, and stand in for votes that a row has not.
 *
 * @param rows of so many, the first ones; the others stay as they are
 */
export function taught(
  targets: Float32Array,
  answers: Float32Array,
  share: number,
  rows = targets.length / OUTPUTS,
): Float32Array {
  const result = targets.slice();
  for (let at = 0; at < rows * OUTPUTS; at += EMOTION_COUNT) {
    const asked = targets.subarray(at, at + EMOTION_COUNT).some((value) => value > 0);
    const weight = asked ? share : 1;
    for (let i = at; i < at + EMOTION_COUNT; i++)
      result[i] = (1 - weight) * (targets[i] as number) + weight * (answers[i] as number);
  }
  return result;
}

/** The rows that training learns from: all but those that most raters saw as no face or unknown. */
export function usableRows(dataset: Dataset): number[] {
  return Array.from({ length: dataset.count }, (_, row) => row).filter((row) => !isNoFace(dataset, row));
}

/**
 * The rows that one epoch goes through, in order: each as often as the dataset says, and what is left of a whole number
 * by chance, so that over many epochs it comes out right.
 */
export function epochRows(dataset: Dataset, usable: readonly number[], random: Random): Int32Array {
  const rows: number[] = [];
  for (const row of usable) {
    const times = dataset.times?.[row] ?? 1;
    const whole = Math.floor(times);
    const shown = whole + (times > whole && random.uniform() < times - whole ? 1 : 0);
    for (let i = 0; i < shown; i++) rows.push(row);
  }
  return Int32Array.from(rows);
}

/** Rows of an epoch, on average. */
export function epochLength(dataset: Dataset, usable: readonly number[]): number {
  return usable.reduce((sum, row) => sum + (dataset.times?.[row] ?? 1), 0);
}

/** Whether less than a third of the raters saw any of the seven emotions. */
function isNoFace({ votes }: Dataset, row: number): boolean {
  if (votes === null) return false;
  let seven = 0;
  for (let label = 0; label < EMOTION_COUNT; label++)
    seven += votes.counts[row * EMOTION_COUNT + label] as number;
  return seven * 3 < (votes.totals[row] as number);
}
