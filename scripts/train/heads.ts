import { EMOTION_COUNT } from "../../src/base/labels.js";
import { softmax } from "./metrics.js";

/** Two sets of seven outputs: what FER-2013's own label says, and what FER+'s raters said. */
export const HEADS = 2;
export const OUTPUTS = HEADS * EMOTION_COUNT;

/**
 * How the two heads become one: the mean of their probabilities, as two opinions are pooled, and then a temperature. Of
 * their logits, the mean would let either veto what the other is sure of. Two opinions that agree are right more often
 * than either says, so the temperature that makes the confidence honest comes after the mean.
 */
export interface Mix {
  /** How much the first head counts, 0 to 1; the second has the rest. */
  readonly share: number;
  /** Below 1 the mean's answers are said with more confidence, above 1 with less; which is the likeliest stays. */
  readonly temperature: number;
}

export type Head = "own" | "votes";

/** The heads as they are, counting the same; the first alone where there are no votes. */
export function evenMix(votes: boolean): Mix {
  return { share: votes ? 0.5 : 1, temperature: 1 };
}

/** Seven of each row's fourteen: one head's logits, weights or biases, rows × 7, from both heads' (rows × 14). */
export function headOf(both: Float32Array, head: Head): Float32Array {
  const first = head === "own" ? 0 : EMOTION_COUNT;
  const result = new Float32Array(both.length / HEADS);
  for (let i = 0; i < result.length; i++)
    result[i] = both[Math.floor(i / EMOTION_COUNT) * OUTPUTS + first + (i % EMOTION_COUNT)] as number;
  return result;
}

/** One set of probabilities, rows × 7, from both heads' logits (rows × 14). */
export function mixed(both: Float32Array, { share, temperature }: Mix): Float32Array {
  const own = softmax(headOf(both, "own"));
  const votes = softmax(headOf(both, "votes"));
  const mean = own.map((probability, i) => share * probability + (1 - share) * (votes[i] as number));
  return tempered(mean, temperature);
}

/** The same probabilities, rows × 7, at another temperature. */
export function tempered(probabilities: Float32Array, temperature: number): Float32Array {
  return softmax(probabilities.map((probability) => Math.log(Math.max(1e-30, probability)) / temperature));
}
