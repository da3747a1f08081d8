import type { Box } from "../base/box.js";
import type { Mat } from "../base/opencv.js";
import { type CropOptions, cropRotation } from "../vision/crop.js";
import type { Classifier } from "./classifier.js";
import { type ScoreVector, scoresOfFace } from "./smoothing.js";

/** A followed face, as far as its scores depend on it. */
export interface FaceToScore {
  readonly id: string;
  /** In pixels of the frame. */
  readonly box: Box;
  /** How far the head is tilted, in degrees, clockwise in the picture. */
  readonly angle: number;
  /** Whether it was seen in this frame: where it only should be, there is nothing to score. */
  readonly seen: boolean;
}

/** Cuts faces out of a grey frame, ready for a classifier. */
export type Crop = (
  grey: Mat,
  boxes: readonly Box[],
  side: number,
  options?: CropOptions,
) => Promise<Uint8Array>;

/** Decides when a face is shown to the classifier, and shows all of a frame as one batch. */
export interface Scorer {
  /**
   * @param grey the frame; stays the caller's.
   * @param at when it was taken, in milliseconds on the frames' steady clock.
   * @returns the scores of the faces that are due; of the others nothing.
   */
  score(
    classifier: Classifier,
    grey: Mat,
    faces: readonly FaceToScore[],
    at: number,
  ): Promise<ReadonlyMap<string, ScoreVector>>;
  /** Forgets every face. */
  forget(): void;
}

/** A face is due at most this often, in milliseconds: expressions do not change faster. */
export const SCORE_INTERVAL = 90;
/** Nor so often while the model says the same of it: the average over time takes in some twice as much. */
export const STEADY_INTERVAL = 200;
/** Change of each score, from one answer of the model to the next, up to which it says the same. */
export const SAME_SCORES = 0.1;
/** Mean change of a face's crop in grey levels under which the model would say what it said: its noise, no movement. */
export const SAME_FACE = 2;
/** A face that does not change is shown to the model all the same after this time, in milliseconds. */
export const RESCORE_AFTER = 1_000;

/** What the model said of a face, and what it was shown. */
interface Memory {
  dueAt: number;
  shownAt: number;
  shown: Uint8Array;
  scores: ScoreVector;
  by: Classifier;
}

export function createScorer(crop: Crop): Scorer {
  const memories = new Map<string, Memory>();
  /** The batch, kept from frame to frame: as large as the largest so far. */
  let batch = new Uint8Array(0);

  async function score(
    classifier: Classifier,
    grey: Mat,
    faces: readonly FaceToScore[],
    at: number,
  ): Promise<ReadonlyMap<string, ScoreVector>> {
    const living = new Set(faces.map((face) => face.id));
    for (const id of memories.keys()) if (!living.has(id)) memories.delete(id);
    const due = faces.filter(({ id, seen }) => seen && at >= (memories.get(id)?.dueAt ?? at));
    if (due.length === 0) return new Map();
    const side = classifier.inputSize;
    const crops = await Promise.all(
      due.map(({ box, angle }) => crop(grey, [box], side, { rotation: cropRotation(angle) })),
    );
    const scores = new Map<string, ScoreVector>();
    const asked: { readonly id: string; readonly shown: Uint8Array }[] = [];
    for (const [index, { id }] of due.entries()) {
      const shown = crops[index] as Uint8Array;
      const memory = memories.get(id);
      if (memory !== undefined && speaksFor(memory, classifier, shown, at)) {
        memory.dueAt = at + SCORE_INTERVAL;
        scores.set(id, memory.scores);
      } else {
        asked.push({ id, shown });
      }
    }
    if (asked.length === 0) return scores;
    const flat = await classifier.classify(together(asked, side * side), asked.length);
    for (const [index, { id, shown }] of asked.entries()) {
      const told = scoresOfFace(flat, index);
      const interval = isSteady(memories.get(id), told) ? STEADY_INTERVAL : SCORE_INTERVAL;
      memories.set(id, { dueAt: at + interval, shownAt: at, shown, scores: told, by: classifier });
      scores.set(id, told);
    }
    return scores;
  }

  /** One face after another in the kept buffer. */
  function together(faces: readonly { readonly shown: Uint8Array }[], pixels: number): Uint8Array {
    if (batch.length < faces.length * pixels) batch = new Uint8Array(faces.length * pixels);
    for (const [index, { shown }] of faces.entries()) batch.set(shown, index * pixels);
    return batch.subarray(0, faces.length * pixels);
  }

  return { score, forget: () => memories.clear() };
}

/** Whether what the model said of a face still holds: it looks the same, and that was not long ago. */
function speaksFor(memory: Memory, classifier: Classifier, shown: Uint8Array, at: number): boolean {
  return (
    memory.by === classifier &&
    at - memory.shownAt < RESCORE_AFTER &&
    meanChange(memory.shown, shown) < SAME_FACE
  );
}

/** Whether the model says what it said before. */
function isSteady(memory: Memory | undefined, told: ScoreVector): boolean {
  return (
    memory !== undefined &&
    told.every((score, index) => Math.abs(score - (memory.scores[index] ?? 0)) < SAME_SCORES)
  );
}

function meanChange(before: Uint8Array, now: Uint8Array): number {
  let sum = 0;
  for (let pixel = 0; pixel < now.length; pixel++) {
    sum += Math.abs((now[pixel] as number) - (before[pixel] as number));
  }
  return sum / now.length;
}
