import { EMOTION_COUNT } from "../../../src/emotion/labels.js";
import { evenMix, HEADS, type Mix, OUTPUTS, type Reading, readHead } from "../heads.js";
import { softmax } from "../metrics.js";

const STEPS = 200;
const STEP_SIZE = 0.15;
const MOMENTUM = 0.9;
/** Pull of the offsets towards 0, so that a rare label's stays near the others'. */
const RIDGE = 2e-3;

/** What a mix is fitted to, beside the logits. */
export interface MixGoal {
  /** How much the first head counts in the mix; it is not fitted. */
  readonly share: number;
  /** How much the original labels count, 0 to 1; the FER+ majority has the rest. */
  readonly labelShare: number;
  /** How much a row of each original label counts. */
  readonly lifts: readonly number[];
}

/** One head while it is fitted: the scale first, then seven offsets. */
interface Fitted {
  /** What a step is divided by: a scale moves every logit, by as much as they are apart. */
  readonly spread: number;
  readonly values: Float64Array;
  readonly momenta: Float64Array;
  readonly gradient: Float64Array;
}

/**
 * Fits how two heads are read before they are mixed, by the likelihood of both sets of labels: 16 numbers, a scale and
 * seven offsets a head.
 *
 * @param both logits of both heads, rows × 14
 * @param votes FER+ majorities, null where there is none
 */
export function fitMix(
  both: Float32Array,
  labels: Uint8Array,
  votes: readonly (number | null)[],
  { share, labelShare, lifts }: MixGoal,
): Mix {
  const rows = labels.length;
  const heads = { own: fitted(both, "own"), votes: fitted(both, "votes") };
  const parts = [
    { head: "own", weight: share, ...heads.own },
    { head: "votes", weight: 1 - share, ...heads.votes },
  ] as const;
  for (let step = 0; step < STEPS; step++) {
    const [first, second] = parts.map(({ head, values }) =>
      softmax(readHead(both, head, reading(values))),
    ) as [Float32Array, Float32Array];
    for (const { gradient } of parts) gradient.fill(0);
    const slope = new Float64Array(EMOTION_COUNT);
    for (let row = 0; row < rows; row++) {
      const at = row * EMOTION_COUNT;
      slope.fill(0);
      /** Of the loss by the probability of one label. */
      const want = (label: number, weight: number) => {
        const probability =
          share * (first[at + label] as number) + (1 - share) * (second[at + label] as number);
        slope[label] = (slope[label] as number) - weight / (Math.max(1e-9, probability) * rows);
      };
      const label = labels[row] as number;
      const vote = votes[row] ?? null;
      want(label, labelShare * (lifts[label] as number));
      if (vote !== null) want(vote, 1 - labelShare);
      for (const [index, { weight, gradient }] of parts.entries()) {
        const probabilities = index === 0 ? first : second;
        let mean = 0;
        for (let k = 0; k < EMOTION_COUNT; k++)
          mean += (probabilities[at + k] as number) * (slope[k] as number);
        for (let k = 0; k < EMOTION_COUNT; k++) {
          const by = weight * (probabilities[at + k] as number) * ((slope[k] as number) - mean);
          const logit = both[row * OUTPUTS + index * EMOTION_COUNT + k] as number;
          gradient[0] = (gradient[0] as number) + by * logit;
          gradient[k + 1] = (gradient[k + 1] as number) + by;
        }
      }
    }
    for (const { spread, values, momenta, gradient } of parts) {
      values.forEach((value, i) => {
        const slope = gradient[i] as number;
        momenta[i] = MOMENTUM * (momenta[i] as number) + (i === 0 ? slope / spread : slope + RIDGE * value);
        values[i] = value - STEP_SIZE * (momenta[i] as number);
      });
    }
  }
  return { share, own: reading(heads.own.values), votes: reading(heads.votes.values) };
}

function fitted(both: Float32Array, head: "own" | "votes"): Fitted {
  const { own: plain } = evenMix(true);
  const values = Float64Array.of(plain.scale, ...plain.offsets);
  const square = readHead(both, head, plain).reduce((sum, logit) => sum + logit ** 2, 0);
  return {
    spread: Math.max(1e-6, (square * HEADS) / both.length),
    values,
    momenta: new Float64Array(values.length),
    gradient: new Float64Array(values.length),
  };
}

function reading(values: Float64Array): Reading {
  const [scale = 1, ...offsets] = values;
  return { scale, offsets };
}
