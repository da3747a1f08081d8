import { EMOTION_COUNT } from "../../../src/emotion/labels.js";
import { blend } from "../heads.js";
import { calibrationError, crossEntropy, predictions, type Scores, score, softmax } from "../metrics.js";
import type { HeadSettings } from "./inference.js";

/** No label is found less often than this, as far as offsets can bring it about; the bar is 40 %. */
const LEAST_RECALL = 0.43;
/** What a missing point of one label's recall is worth, in points of accuracy. */
const RECALL_WEIGHT = 0.1;

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
 * Chooses, on the evaluation split, how the two heads' logits become one set: how much each counts, what is added
 * for rare labels, and the temperature that makes the confidences honest.
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
  const shares = known ? [0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8] : [0];
  let best = { value: Number.NEGATIVE_INFINITY, share: 0, offsets: new Array<number>(EMOTION_COUNT).fill(0) };
  for (const share of shares) {
    const logits = blend(both, share);
    const worth = (offsets: readonly number[]) => {
      const predicted = predictions(shifted(logits, offsets));
      const original = score(predicted, labels);
      const value = known ? (original.accuracy + score(predicted, votes).accuracy) / 2 : original.accuracy;
      return value - shortfall(original);
    };
    const { recall } = score(predictions(logits), labels);
    const rare = recall.flatMap((found, label) => (found < LEAST_RECALL ? [label] : []));
    const offsets = climb(worth, rare);
    const value = worth(offsets);
    if (value > best.value) best = { value, share, offsets };
  }
  const logits = shifted(blend(both, best.share), best.offsets);
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
    settings: {
      share: best.share,
      temperature,
      offsets: best.offsets.map((offset) => Math.round(offset * 10) / 10),
    },
    calibrationError: {
      before: calibrationError(softmax(logits), labels),
      after: calibrationError(softmax(logits, temperature), labels),
    },
  };
}

function shortfall({ recall }: Scores): number {
  const missing = recall.map((share) => (Number.isNaN(share) ? 0 : Math.max(0, LEAST_RECALL - share)));
  return RECALL_WEIGHT * missing.reduce((sum, share) => sum + share, 0);
}

/**
 * Coordinate ascent over the offsets, in steps that a few thousand rows can tell apart. Only labels that are
 * found too seldom are raised: to move the others gains half a point on the split's own mixture of labels, and makes
 * angry faces `neutral` elsewhere.
 */
function climb(worth: (offsets: readonly number[]) => number, raised: readonly number[]): number[] {
  let offsets = new Array<number>(EMOTION_COUNT).fill(0);
  let value = worth(offsets);
  for (let round = 0; round < 4; round++) {
    const before = value;
    for (const label of raised) {
      for (const step of [-0.4, -0.2, -0.1, 0.1, 0.2, 0.4, 0.8]) {
        const candidate = offsets.with(label, Math.max(0, Math.min(1.6, (offsets[label] as number) + step)));
        const candidateValue = worth(candidate);
        if (candidateValue > value + 1e-6) {
          offsets = candidate;
          value = candidateValue;
        }
      }
    }
    if (value === before) break;
  }
  return offsets;
}

function shifted(logits: Float32Array, offsets: readonly number[]): Float32Array {
  return logits.map((logit, i) => logit + (offsets[i % EMOTION_COUNT] as number));
}
