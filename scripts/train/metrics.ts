import { EMOTION_COUNT, EMOTION_LABELS } from "../../src/base/labels.js";
import { type Dataset, majority, plurality } from "./data/dataset.js";

const FEAR = EMOTION_LABELS.indexOf("fear");

export interface Scores {
  readonly n: number;
  /** Share right, 0 to 1. */
  readonly accuracy: number;
  /** Share of each true class that is found; NaN where there is none. */
  readonly recall: readonly number[];
  readonly precision: readonly number[];
  /** Rows true, columns predicted. */
  readonly confusion: readonly (readonly number[])[];
}

/** Compares predicted classes with true ones; a true class of null leaves its row out. */
export function score(predicted: ArrayLike<number>, truth: ArrayLike<number | null>): Scores {
  const confusion = Array.from({ length: EMOTION_COUNT }, () => new Array<number>(EMOTION_COUNT).fill(0));
  for (let row = 0; row < predicted.length; row++) {
    const actual = truth[row];
    if (actual === null || actual === undefined) continue;
    const counts = confusion[actual] as number[];
    const column = predicted[row] as number;
    counts[column] = (counts[column] as number) + 1;
  }
  const at = (row: number, column: number) => confusion[row]?.[column] as number;
  const classes = Array.from({ length: EMOTION_COUNT }, (_, label) => label);
  const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
  const n = sum(classes.map((row) => sum(classes.map((column) => at(row, column)))));
  return {
    n,
    accuracy: sum(classes.map((label) => at(label, label))) / n,
    recall: classes.map((label) => at(label, label) / sum(classes.map((column) => at(label, column)))),
    precision: classes.map((label) => at(label, label) / sum(classes.map((row) => at(row, label)))),
    confusion,
  };
}

/** Mean share found of the labels that occur, fear left out: hardly any natural photograph is called so. */
export function meanRecall({ recall }: Scores): number {
  const found = recall.filter((share, label) => label !== FEAR && !Number.isNaN(share));
  return found.reduce((sum, share) => sum + share, 0) / found.length;
}

/** The FER+ majority of each row, or null where there is none. */
export function majorities(dataset: Dataset): (number | null)[] {
  const { votes } = dataset;
  return Array.from({ length: dataset.count }, (_, row) => (votes === null ? null : majority(votes, row)));
}

/** What most raters saw in each row, or null where that is none of the seven, or two. */
export function pluralities(dataset: Dataset): (number | null)[] {
  const { votes } = dataset;
  return Array.from({ length: dataset.count }, (_, row) => (votes === null ? null : plurality(votes, row)));
}

/** Index of the largest of seven, for each row. */
export function predictions(rows: Float32Array): Uint8Array {
  const result = new Uint8Array(rows.length / EMOTION_COUNT);
  for (let row = 0; row < result.length; row++) {
    let best = 0;
    for (let label = 1; label < EMOTION_COUNT; label++) {
      if ((rows[row * EMOTION_COUNT + label] as number) > (rows[row * EMOTION_COUNT + best] as number))
        best = label;
    }
    result[row] = best;
  }
  return result;
}

/** Softmax of each seven logits. */
export function softmax(logits: Float32Array): Float32Array {
  const result = new Float32Array(logits.length);
  for (let at = 0; at < logits.length; at += EMOTION_COUNT) {
    const row = logits.subarray(at, at + EMOTION_COUNT);
    const highest = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
    let sum = 0;
    for (let label = 0; label < EMOTION_COUNT; label++) {
      const value = Math.exp((row[label] as number) - highest);
      result[at + label] = value;
      sum += value;
    }
    for (let label = 0; label < EMOTION_COUNT; label++)
      result[at + label] = (result[at + label] as number) / sum;
  }
  return result;
}

/** Mean negative log-likelihood of the true classes; rows whose truth is null are left out. */
export function crossEntropy(probabilities: Float32Array, truth: ArrayLike<number | null>): number {
  let sum = 0;
  let n = 0;
  for (let row = 0; row < truth.length; row++) {
    const label = truth[row];
    if (label === null || label === undefined) continue;
    sum -= Math.log(Math.max(1e-12, probabilities[row * EMOTION_COUNT + label] as number));
    n++;
  }
  return sum / n;
}

/**
 * Expected calibration error (Guo et al. 2017, arXiv 1706.04599): how far the confidence is from the share right,
 * over 15 bins of equal width, weighted by their rows. 0 to 1; rows whose truth is null are left out.
 */
export function calibrationError(
  probabilities: Float32Array,
  truth: ArrayLike<number | null>,
  bins = 15,
): number {
  const rows = Array.from({ length: bins }, () => ({ n: 0, right: 0, confidence: 0 }));
  const predicted = predictions(probabilities);
  let n = 0;
  for (let row = 0; row < truth.length; row++) {
    if (truth[row] === null) continue;
    n++;
    const label = predicted[row] as number;
    const confidence = probabilities[row * EMOTION_COUNT + label] as number;
    const bin = rows[Math.min(bins - 1, Math.floor(confidence * bins))];
    if (bin === undefined) continue;
    bin.n++;
    bin.confidence += confidence;
    if (label === truth[row]) bin.right++;
  }
  return rows.reduce((sum, { right, confidence }) => sum + Math.abs(right - confidence), 0) / n;
}
