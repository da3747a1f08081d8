import { evenMix, type Mix, mixed, tempered } from "../heads.js";
import { calibrationError, crossEntropy, predictions, score } from "../metrics.js";

/**
 * FER-2013's own labels are met at least this often, or within `LABELS_REACH` of as often as the heads can: the bar is
 * 65 %, and int8 and other faces cost something. People meet these labels 65 times in 100, so what lies above is better
 * spent on what people see.
 */
const LEAST_LABELS = 0.655;
const LABELS_REACH = 0.035;
/** What a point missing there is worth, in points of what people see. */
const LABELS_WEIGHT = 5;
const SHARES = Array.from({ length: 101 }, (_, percent) => percent / 100);
const TEMPERATURES = Array.from({ length: 61 }, (_, i) => Math.round(40 + 2 * i) / 100);

/** Faces with what people see in them; null where they do not agree. */
export interface SeenFaces {
  /** Logits of both heads, rows × 14. */
  readonly both: Float32Array;
  /** What is right: for FER+ what more than half of the raters saw. */
  readonly truth: readonly (number | null)[];
  /** What a confidence is about: for FER+ what most raters saw, on faces of which they are not so sure, too. */
  readonly likeliest: readonly (number | null)[];
}

export interface ChosenHead {
  readonly settings: Mix;
  /** Expected calibration error of the heads as they are, mixed evenly, and of the settings; the mean over the sets. */
  readonly calibrationError: { readonly before: number; readonly after: number };
}

/**
 * Chooses how the two heads become one for what people see in faces, and the temperature that makes the confidences
 * honest about it: two numbers, chosen on faces that no training has seen.
 *
 * @param both logits of both heads on the evaluation split, rows × 14
 * @param labels FER-2013's own
 * @param seen faces with what people see in them, each set counting the same; none without votes, and then the first
 *   head stands alone, and its confidences are about the labels.
 */
export function chooseHead(both: Float32Array, labels: Uint8Array, seen: readonly SeenFaces[]): ChosenHead {
  const known = seen.length > 0;
  const judged = known ? seen : [{ both, truth: Array.from(labels), likeliest: Array.from(labels) }];
  const share = known ? chooseShare(both, labels, seen) : 1;
  const means = judged.map((set) => mixed(set.both, { share, temperature: 1 }));
  const [temperature = 1] = leastFirst(TEMPERATURES, (candidate) =>
    mean(
      judged.map(({ likeliest }, i) =>
        crossEntropy(tempered(means[i] as Float32Array, candidate), likeliest),
      ),
    ),
  );
  const settings = { share, temperature };
  const error = (mix: Mix) =>
    mean(judged.map((set) => calibrationError(mixed(set.both, mix), set.likeliest)));
  return { settings, calibrationError: { before: error(evenMix(known)), after: error(settings) } };
}

function chooseShare(both: Float32Array, labels: Uint8Array, seen: readonly SeenFaces[]): number {
  const right = (logits: Float32Array, share: number, truth: ArrayLike<number | null>) =>
    score(predictions(mixed(logits, { share, temperature: 1 })), truth).accuracy;
  const byLabels = new Map(SHARES.map((share) => [share, right(both, share, labels)]));
  const least = Math.min(LEAST_LABELS, Math.max(...byLabels.values()) - LABELS_REACH);
  const [share = 1] = leastFirst(SHARES, (candidate) => {
    const missing = Math.max(0, least - (byLabels.get(candidate) ?? 0));
    return LABELS_WEIGHT * missing - mean(seen.map((set) => right(set.both, candidate, set.truth)));
  });
  return share;
}

/** From the least value on; in their own order where they are equal. */
function leastFirst(candidates: readonly number[], value: (candidate: number) => number): number[] {
  const values = new Map(candidates.map((candidate) => [candidate, value(candidate)]));
  return candidates.toSorted((a, b) => (values.get(a) ?? 0) - (values.get(b) ?? 0));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
