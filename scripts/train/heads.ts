import { EMOTION_COUNT } from "../../src/emotion/labels.js";
import { softmax } from "./metrics.js";

/** Two sets of seven outputs: what FER-2013's own label says, and what FER+'s raters said. */
export const HEADS = 2;
export const OUTPUTS = HEADS * EMOTION_COUNT;

/** How one head's logits are read: `scale` × logit + the label's offset. */
export interface Reading {
  readonly scale: number;
  readonly offsets: readonly number[];
}

/**
 * How the two heads become one: the mean of their probabilities. Of their logits, the mean would let either veto what
 * the other is sure of; at the same agreement with the one set of labels it was right by the other half a point less.
 */
export interface Mix {
  /** How much the first head counts, 0 to 1; the second has the rest. */
  readonly share: number;
  readonly own: Reading;
  readonly votes: Reading;
}

/** Both heads as they are, counting the same; the first alone where there are no votes. */
export function evenMix(votes: boolean): Mix {
  const plain: Reading = { scale: 1, offsets: new Array<number>(EMOTION_COUNT).fill(0) };
  return { share: votes ? 0.5 : 1, own: plain, votes: plain };
}

/** The same answers said with less confidence, or with more where `temperature` is below 1. */
export function tempered({ share, own, votes }: Mix, temperature: number): Mix {
  const cooled = ({ scale, offsets }: Reading): Reading => ({
    scale: scale / temperature,
    offsets: offsets.map((offset) => offset / temperature),
  });
  return { share, own: cooled(own), votes: cooled(votes) };
}

/** The logits of one head as they are read, rows × 7, from both heads' (rows × 14). */
export function readHead(
  both: Float32Array,
  head: "own" | "votes",
  { scale, offsets }: Reading,
): Float32Array {
  const first = head === "own" ? 0 : EMOTION_COUNT;
  const result = new Float32Array(both.length / HEADS);
  for (let i = 0; i < result.length; i++) {
    const label = i % EMOTION_COUNT;
    const at = Math.floor(i / EMOTION_COUNT) * OUTPUTS + first + label;
    result[i] = scale * (both[at] as number) + (offsets[label] as number);
  }
  return result;
}

/** One set of probabilities, rows × 7, from both heads' logits (rows × 14). */
export function mixed(both: Float32Array, { share, own, votes }: Mix): Float32Array {
  const first = softmax(readHead(both, "own", own));
  const second = softmax(readHead(both, "votes", votes));
  return first.map((probability, i) => share * probability + (1 - share) * (second[i] as number));
}
