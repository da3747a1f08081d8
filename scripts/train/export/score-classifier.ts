import { EMOTION_COUNT } from "../../../src/base/labels.js";
import type { Classifier } from "../../../src/emotion/classifier.js";
import type { Dataset } from "../data/dataset.js";
import { middles } from "./crops.js";

/** Probabilities of every row of a dataset, `count` × 7, one pass, no augmentation. */
export async function probabilities(
  classifier: Classifier,
  dataset: Dataset,
  batch = 32,
): Promise<Float32Array> {
  const all = new Float32Array(dataset.count * EMOTION_COUNT);
  for (let from = 0; from < dataset.count; from += batch) {
    const rows = Array.from({ length: Math.min(batch, dataset.count - from) }, (_, i) => from + i);
    const faces = middles(dataset.pixels, rows, classifier.inputSize);
    all.set(await classifier.classify(faces, rows.length), from * EMOTION_COUNT);
  }
  return all;
}
