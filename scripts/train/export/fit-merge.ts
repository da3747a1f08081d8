import { EMOTION_COUNT } from "../../../src/emotion/labels.js";
import { evenMerge, type Merge, merged, OUTPUTS } from "../heads.js";
import { softmax } from "../metrics.js";

const STEPS = 300;
const STEP_SIZE = 0.05;
const MOMENTUM = 0.9;
/** Pull towards both heads counting the same, so that a rare label's weights stay near the others'. */
const RIDGE = 1e-3;

/** What a merge is fitted to, beside the logits. */
export interface MergeGoal {
  /** How much the original labels count, 0 to 1; the FER+ majority has the rest. */
  readonly labelShare: number;
  /** How much a row of each original label counts. */
  readonly lifts: readonly number[];
}

/**
 * Fits how two heads become one by logistic regression: 21 numbers, three a label.
 *
 * @param both logits of both heads, rows × 14
 * @param votes FER+ majorities, null where there is none
 */
export function fitMerge(
  both: Float32Array,
  labels: Uint8Array,
  votes: readonly (number | null)[],
  { labelShare, lifts }: MergeGoal,
): Merge {
  const known = votes.some((vote) => vote !== null);
  const start = evenMerge(known);
  const own = [...start.own];
  const other = [...start.votes];
  const offsets = [...start.offsets];
  const momenta = new Float64Array(3 * EMOTION_COUNT);
  const gradient = new Float64Array(3 * EMOTION_COUNT);
  const rows = labels.length;
  for (let step = 0; step < STEPS; step++) {
    gradient.fill(0);
    const probabilities = softmax(merged(both, { own, votes: other, offsets }));
    for (let row = 0; row < rows; row++) {
      const label = labels[row] as number;
      const vote = votes[row] ?? null;
      const labelWeight = (known ? labelShare : 1) * (lifts[label] as number);
      const voteWeight = vote === null || !known ? 0 : 1 - labelShare;
      for (let k = 0; k < EMOTION_COUNT; k++) {
        const wanted = (k === label ? labelWeight : 0) + (k === vote ? voteWeight : 0);
        const excess =
          ((probabilities[row * EMOTION_COUNT + k] as number) * (labelWeight + voteWeight) - wanted) / rows;
        const at = row * OUTPUTS + k;
        gradient[k] = (gradient[k] as number) + excess * (both[at] as number);
        if (known) {
          const index = EMOTION_COUNT + k;
          gradient[index] = (gradient[index] as number) + excess * (both[at + EMOTION_COUNT] as number);
        }
        gradient[2 * EMOTION_COUNT + k] = (gradient[2 * EMOTION_COUNT + k] as number) + excess;
      }
    }
    const move = (values: number[], from: readonly number[], first: number, ridge: number) => {
      for (let k = 0; k < EMOTION_COUNT; k++) {
        const pull = ridge * ((values[k] as number) - (from[k] as number));
        const momentum = MOMENTUM * (momenta[first + k] as number) + (gradient[first + k] as number) + pull;
        momenta[first + k] = momentum;
        values[k] = (values[k] as number) - STEP_SIZE * momentum;
      }
    };
    move(own, start.own, 0, RIDGE);
    move(other, start.votes, EMOTION_COUNT, RIDGE);
    move(offsets, start.offsets, 2 * EMOTION_COUNT, 0);
  }
  const rounded = (values: readonly number[]) => values.map((value) => Math.round(value * 1000) / 1000);
  return { own: rounded(own), votes: rounded(other), offsets: rounded(offsets) };
}
