import { EMOTION_COUNT } from "../../src/emotion/labels.js";

/** Two sets of seven outputs: what FER-2013's own label says, and what FER+'s raters said. */
export const HEADS = 2;
export const OUTPUTS = HEADS * EMOTION_COUNT;

/** How the two heads' logits become one set of seven: each label has a weight for either head, and an offset. */
export interface Merge {
  readonly own: readonly number[];
  readonly votes: readonly number[];
  readonly offsets: readonly number[];
}

/** Both heads counting the same; the first alone where there are no votes. */
export function evenMerge(votes: boolean): Merge {
  const all = (value: number) => new Array<number>(EMOTION_COUNT).fill(value);
  return { own: all(votes ? 0.5 : 1), votes: all(votes ? 0.5 : 0), offsets: all(0) };
}

/** One set of logits from both heads' (rows × 14); rows × 7. */
export function merged(both: Float32Array, { own, votes, offsets }: Merge): Float32Array {
  const result = new Float32Array(both.length / HEADS);
  for (let i = 0; i < result.length; i++) {
    const label = i % EMOTION_COUNT;
    const at = Math.floor(i / EMOTION_COUNT) * OUTPUTS + label;
    result[i] =
      (own[label] as number) * (both[at] as number) +
      (votes[label] as number) * (both[at + EMOTION_COUNT] as number) +
      (offsets[label] as number);
  }
  return result;
}
