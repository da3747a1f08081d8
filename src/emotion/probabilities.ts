import { EMOTION_COUNT } from "../base/labels.js";
import { ModelError } from "./model-error.js";

/** How far a row of scores may be from 1; int8 softmax outputs are computed in float, so they are close. */
const TOLERANCE = 1e-3;

/**
 * Rows that sum to 1 exactly (to float precision).
 *
 * @throws ModelError when the model's output is not `count` rows of seven probabilities.
 */
export function checkedProbabilities(output: Float32Array, count: number): Float32Array {
  if (output.length !== count * EMOTION_COUNT) {
    throw new ModelError(
      `the model gave ${output.length} scores for ${count} faces, not ${EMOTION_COUNT} a face`,
    );
  }
  const rows = new Float32Array(output.length);
  for (let at = 0; at < output.length; at += EMOTION_COUNT) {
    let sum = 0;
    for (let label = 0; label < EMOTION_COUNT; label++) sum += output[at + label] as number;
    if (!(Math.abs(sum - 1) < TOLERANCE)) {
      throw new ModelError(`the model's scores sum to ${sum}, not 1: it was exported without its softmax`);
    }
    for (let label = 0; label < EMOTION_COUNT; label++)
      rows[at + label] = (output[at + label] as number) / sum;
  }
  return rows;
}
