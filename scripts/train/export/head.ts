import { EMOTION_COUNT } from "../../../src/emotion/labels.js";
import { evenMix, type Mix, mixed, tempered } from "../heads.js";
import { calibrationError, crossEntropy, predictions, type Scores, score } from "../metrics.js";
import { fitMix } from "./fit-mix.js";

/** No label is found less often than this, as far as the mix can bring it about; the bar is 40 %. */
const LEAST_RECALL = 0.42;
/** What a missing point of one label's recall is worth, in points of accuracy. */
const RECALL_WEIGHT = 0.3;
/** Against the FER+ majority; the bar is 83 %, and int8 costs a little. What lies above is better spent on the original labels. */
const LEAST_FERPLUS = 0.8345;
/** What a point missing there is worth, in points of accuracy on the original labels. */
const FERPLUS_WEIGHT = 3;
/** How much the first head may count in the mix, the original labels in the fit, and the rows of labels found too seldom. */
const SHARES = [0.6, 0.65, 0.675, 0.7];
const LABEL_SHARES = [0.525, 0.55, 0.575, 0.6, 0.625];
const LIFTS = [1, 1.2, 1.4];
const TEMPERATURES = Array.from({ length: 21 }, (_, i) => 0.6 + 0.05 * i);

/**
 * How much the FER+ majority counts in the temperature: where raters agree, an original label differs from theirs 28
 * times in 100, and a confidence fitted to those labels alone is too modest by as much.
 */
const DOUBT = 0.28;

export interface ChosenHead {
  readonly settings: Mix;
  /** Expected calibration error of the heads as they are, mixed evenly, and of the settings. */
  readonly calibrationError: { readonly before: number; readonly after: number };
}

/**
 * Chooses, on the evaluation split, how the two heads become one, and the temperature that makes the confidences honest.
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
  const worth = (mix: Mix) => {
    const predicted = predictions(mixed(both, mix));
    const original = score(predicted, labels);
    const missing = known ? Math.max(0, LEAST_FERPLUS - score(predicted, votes).accuracy) : 0;
    return original.accuracy - FERPLUS_WEIGHT * missing - RECALL_WEIGHT * shortfall(original);
  };
  const honest = (mix: Mix): Mix => {
    const loss = (temperature: number) => {
      const probabilities = mixed(both, tempered(mix, temperature));
      const doubt = known ? DOUBT * crossEntropy(probabilities, votes) : 0;
      return crossEntropy(probabilities, labels) + doubt;
    };
    const losses = TEMPERATURES.map(loss);
    return rounded(tempered(mix, TEMPERATURES[losses.indexOf(Math.min(...losses))] ?? 1));
  };
  const start = evenMix(known);
  let best = honest(start);
  let value = worth(best);
  for (const share of known ? SHARES : [1]) {
    for (const labelShare of known ? LABEL_SHARES : [1]) {
      let seldom: readonly boolean[] = [];
      for (const lift of LIFTS) {
        if (lift > 1 && !seldom.includes(true)) break;
        const lifts = Array.from({ length: EMOTION_COUNT }, (_, label) => (seldom[label] ? lift : 1));
        const candidate = honest(fitMix(both, labels, votes, { share, labelShare, lifts }));
        if (lift === 1) {
          const { recall } = score(predictions(mixed(both, candidate)), labels);
          seldom = recall.map((found) => found < LEAST_RECALL);
        }
        const candidateValue = worth(candidate);
        if (candidateValue > value) {
          best = candidate;
          value = candidateValue;
        }
      }
    }
  }
  return {
    settings: best,
    calibrationError: {
      before: calibrationError(mixed(both, start), labels),
      after: calibrationError(mixed(both, best), labels),
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

/** As the manifest has it. */
function rounded({ share, own, votes }: Mix): Mix {
  const three = (value: number) => Math.round(value * 1000) / 1000;
  const reading = ({ scale, offsets }: Mix["own"]) => ({
    scale: three(scale),
    offsets: offsets.map(three),
  });
  return { share, own: reading(own), votes: reading(votes) };
}
