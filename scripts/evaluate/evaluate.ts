import { EMOTION_COUNT, EMOTION_LABELS, type EmotionLabel } from "../../src/base/labels.js";
import type { Classifier, EngineName } from "../../src/emotion/classifier.js";
import type { Dataset } from "../train/data/dataset.js";
import { middles } from "../train/export/crops.js";
import {
  calibrationError,
  majorities,
  meanRecall,
  pluralities,
  predictions,
  score,
} from "../train/metrics.js";

export interface ClassFigures {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  /** Rows of this class. */
  readonly n: number;
}

/** What `evaluate --json` prints; shares are 0 to 1. */
export interface Evaluation {
  readonly engine: EngineName;
  /** Of FER-2013, or the name of a folder's part. */
  readonly split: string;
  readonly n: number;
  readonly accuracy: number;
  /** Mean recall of the labels that occur, fear left out. */
  readonly meanRecall: number;
  readonly perClass: Readonly<Record<EmotionLabel, ClassFigures>>;
  /** Rows true, columns predicted, in EMOTION_LABELS' order. */
  readonly confusion: readonly (readonly number[])[];
  /** Against the FER+ majority, over the rows that have one among the seven. */
  readonly ferplus: {
    readonly n: number;
    readonly accuracy: number;
    /** Expected calibration error against what most raters saw, which more faces have than a majority. */
    readonly calibrationError: number;
  } | null;
  /** Milliseconds, one face a call, median. */
  readonly msPerFace: number;
  /** Expected calibration error against the original labels. */
  readonly calibrationError: number;
}

/** Scores a classifier on every row, one face a call, as the daemon does it. */
export async function evaluate(
  classifier: Classifier,
  dataset: Dataset,
  split: string = dataset.split,
): Promise<Evaluation> {
  const scores = new Float32Array(dataset.count * EMOTION_COUNT);
  const times: number[] = [];
  for (let row = 0; row < dataset.count; row++) {
    const face = middles(dataset.pixels, [row], classifier.inputSize);
    const began = performance.now();
    const probabilities = await classifier.classify(face, 1);
    times.push(performance.now() - began);
    scores.set(probabilities, row * EMOTION_COUNT);
  }
  times.sort((a, b) => a - b);
  const predicted = predictions(scores);
  const original = score(predicted, dataset.labels);
  const votes = dataset.votes === null ? null : score(predicted, majorities(dataset));
  return {
    engine: classifier.engine,
    split,
    n: original.n,
    accuracy: original.accuracy,
    meanRecall: meanRecall(original),
    perClass: perClass(original),
    confusion: original.confusion,
    ferplus:
      votes === null
        ? null
        : {
            n: votes.n,
            accuracy: votes.accuracy,
            calibrationError: calibrationError(scores, pluralities(dataset)),
          },
    msPerFace: times[Math.floor(times.length / 2)] ?? Number.NaN,
    calibrationError: calibrationError(scores, dataset.labels),
  };
}

function perClass({
  precision,
  recall,
  confusion,
}: ReturnType<typeof score>): Record<EmotionLabel, ClassFigures> {
  const figures = EMOTION_LABELS.map((label, i): [EmotionLabel, ClassFigures] => {
    // A class that never occurs, or is never named, has 0, so that the figures stay numbers.
    const p = precision[i] || 0;
    const r = recall[i] || 0;
    const n = (confusion[i] ?? []).reduce((sum, count) => sum + count, 0);
    return [label, { precision: p, recall: r, f1: p + r === 0 ? 0 : (2 * p * r) / (p + r), n }];
  });
  return Object.fromEntries(figures) as Record<EmotionLabel, ClassFigures>;
}
