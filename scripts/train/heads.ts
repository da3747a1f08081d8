import { EMOTION_COUNT } from "../../src/emotion/labels.js";

/** Two sets of seven outputs: what FER-2013's own label says, and what FER+'s raters said. */
export const HEADS = 2;
export const OUTPUTS = HEADS * EMOTION_COUNT;

/** One set of logits from both heads' (rows × 14): `share` of the FER+ head, the rest of the other. Rows × 7. */
export function blend(both: Float32Array, share: number): Float32Array {
  const result = new Float32Array(both.length / HEADS);
  for (let i = 0; i < result.length; i++) {
    const at = Math.floor(i / EMOTION_COUNT) * OUTPUTS + (i % EMOTION_COUNT);
    result[i] = (1 - share) * (both[at] as number) + share * (both[at + EMOTION_COUNT] as number);
  }
  return result;
}
