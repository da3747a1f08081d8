import { EMOTION_COUNT, EMOTION_LABELS, type EmotionLabel, type FaceLabel } from "../base/labels.js";

/** Seven probabilities in the order of EMOTION_LABELS; they sum to 1. */
export type ScoreVector = readonly number[];

/** One face's scores out of a batch's, as a classifier returns them: face after face, seven each. */
export function scoresOfFace(batch: Float32Array, face: number): ScoreVector {
  return Array.from(batch.subarray(face * EMOTION_COUNT, (face + 1) * EMOTION_COUNT));
}

/** Time constant of the exponential average, in milliseconds: an expression lasts longer, a blink does not. */
const TIME_CONSTANT = 400;

/**
 * Averages a face's scores over time, so that one odd frame does not name an emotion. The weight of a new score
 * grows with the time since the last, so the result does not depend on the frame rate.
 *
 * @param smoothed the average so far, or null before the first score.
 * @param elapsed milliseconds since the last score.
 */
export function smooth(smoothed: ScoreVector | null, scores: ScoreVector, elapsed: number): ScoreVector {
  if (smoothed === null) return normalize(scores);
  const weight = 1 - Math.exp(-Math.max(0, elapsed) / TIME_CONSTANT);
  return normalize(smoothed.map((old, index) => old + weight * ((scores[index] ?? 0) - old)));
}

function normalize(scores: ScoreVector): ScoreVector {
  const finite = scores.map((score) => (Number.isFinite(score) && score > 0 ? score : 0));
  const sum = finite.reduce((total, score) => total + score, 0);
  return sum > 0
    ? finite.map((score) => score / sum)
    : new Array<number>(EMOTION_COUNT).fill(1 / EMOTION_COUNT);
}

/** The best of the seven and its score. */
export function best(scores: ScoreVector): { readonly label: EmotionLabel; readonly confidence: number } {
  const confidence = Math.max(...scores);
  return { label: EMOTION_LABELS[scores.indexOf(confidence)] ?? "neutral", confidence };
}

/** What the scores say without regard to the past. */
export function labelOf(scores: ScoreVector, minConfidence: number): FaceLabel {
  const { label, confidence } = best(scores);
  return confidence < minConfidence ? "uncertain" : label;
}

/** A label that holds, and the one that would replace it. */
export interface LabelState {
  readonly label: FaceLabel;
  /** The scores at the last moment when they spoke for the label: what may be told together with it. */
  readonly scores: ScoreVector;
  readonly challenger: FaceLabel | null;
  /** When the challenger began to lead, in milliseconds on the frames' steady clock. */
  readonly challengedAt: number;
  /** When the label itself last led. */
  readonly ledAt: number;
}

/** A label that has not led for so many `minDwell` goes, even if those that lead in its place take turns. */
const LONGEST_UNLED = 2;

/**
 * Takes smoothed scores in: the label changes when another has led without a break for `minDwell` milliseconds, or when
 * it has not led itself for twice as long. So two changes are never closer than `minDwell`.
 */
export function decideLabel(
  state: LabelState | null,
  scores: ScoreVector,
  at: number,
  settings: { readonly minConfidence: number; readonly minDwell: number },
): LabelState {
  const leader = labelOf(scores, settings.minConfidence);
  const led: LabelState = { label: leader, scores, challenger: null, challengedAt: at, ledAt: at };
  if (state === null || leader === state.label) return led;
  if (at - state.ledAt >= LONGEST_UNLED * settings.minDwell) return led;
  if (leader !== state.challenger) return { ...state, challenger: leader, challengedAt: at };
  return at - state.challengedAt < settings.minDwell ? state : led;
}
