import { EMOTION_COUNT } from "../../../src/emotion/labels.js";
import { evenMerge, type Merge, merged } from "../heads.js";
import { calibrationError, crossEntropy, predictions, type Scores, score, softmax } from "../metrics.js";
import { fitMerge } from "./fit-merge.js";
import type { HeadSettings } from "./inference.js";

/** No label is found less often than this, as far as the merge can bring it about; the bar is 40 %. */
const LEAST_RECALL = 0.43;
/** What a missing point of one label's recall is worth, in points of accuracy. */
const RECALL_WEIGHT = 0.3;
/** Against the FER+ majority; the bar is 83 %. What lies above it is better spent on the original labels. */
const LEAST_FERPLUS = 0.832;
/** What a point missing there is worth, in points of accuracy on the original labels. */
const FERPLUS_WEIGHT = 1.5;
/** How much the original labels may count in the merge, and how much more the rows of labels found too seldom. */
const LABEL_SHARES = [0.4, 0.5, 0.55, 0.575, 0.6, 0.625, 0.65, 0.7, 0.8];
const LIFTS = [1, 1.25, 1.5, 1.75, 2];

/**
 * How much the FER+ majority counts in the temperature: where raters agree, an original label differs from theirs 28
 * times in 100, and a confidence fitted to those labels alone is too modest by as much.
 */
const DOUBT = 0.28;

export interface ChosenHead {
  readonly settings: HeadSettings;
  /** Expected calibration error before and after the temperature. */
  readonly calibrationError: { readonly before: number; readonly after: number };
}

/**
 * Chooses, on the evaluation split, how the two heads' logits become one set, and the temperature that makes the
 * confidences honest.
 *
 * @param both logits of both heads, rows × 14
 * @param labels FER-2013's own
 * @param votes FER+ majorities, null where there is none; empty without FER+
 */
export function chooseHead(
  both: Float32Array,
  labels: Uint8Array,
  votes: readonly (number | null)[],
): ChosenHead {
  const known = votes.some((vote) => vote !== null);
  const worth = (merge: Merge) => {
    const predicted = predictions(merged(both, merge));
    const original = score(predicted, labels);
    const missing = known ? Math.max(0, LEAST_FERPLUS - score(predicted, votes).accuracy) : 0;
    return original.accuracy - FERPLUS_WEIGHT * missing - RECALL_WEIGHT * shortfall(original);
  };
  let best = evenMerge(known);
  let value = worth(best);
  for (const labelShare of known ? LABEL_SHARES : [1]) {
    const even = new Array<number>(EMOTION_COUNT).fill(1);
    const unlifted = fitMerge(both, labels, votes, { labelShare, lifts: even });
    const { recall } = score(predictions(merged(both, unlifted)), labels);
    const seldom = recall.map((found) => found < LEAST_RECALL);
    for (const lift of seldom.includes(true) ? LIFTS : [1]) {
      const lifts = seldom.map((raised) => (raised ? lift : 1));
      const candidate = lift === 1 ? unlifted : fitMerge(both, labels, votes, { labelShare, lifts });
      const candidateValue = worth(candidate);
      if (candidateValue > value) {
        best = candidate;
        value = candidateValue;
      }
    }
  }
  const logits = merged(both, best);
  let temperature = 1;
  let least = Number.POSITIVE_INFINITY;
  for (let candidate = 0.3; candidate <= 3; candidate += 0.02) {
    const probabilities = softmax(logits, candidate);
    const doubt = known ? DOUBT * crossEntropy(probabilities, votes) : 0;
    const loss = crossEntropy(probabilities, labels) + doubt;
    if (loss < least) {
      least = loss;
      temperature = candidate;
    }
  }
  temperature = Math.round(temperature * 100) / 100;
  return {
    settings: { ...best, temperature },
    calibrationError: {
      before: calibrationError(softmax(logits), labels),
      after: calibrationError(softmax(logits, temperature), labels),
    },
  };
}

/** By how much labels are found too seldom, summed. */
function shortfall({ recall }: Scores): number {
  return recall.reduce(
    (sum, found) => sum + (Number.isNaN(found) ? 0 : Math.max(0, LEAST_RECALL - found)),
    0,
  );
}
