import type { Frame } from "./camera/frame.js";
import type { Classifier } from "./emotion/classifier.js";
import { type ScoreVector, scoresOfFace } from "./emotion/smoothing.js";
import type { Instant, Lifecycle, ObservedFace } from "./events/lifecycle.js";
import { stateOf } from "./events/lifecycle.js";
import type { EmotionEvent, State } from "./events/schema.js";
import type { Box } from "./vision/box.js";
import type { CropOptions } from "./vision/crop.js";
import type { FaceFinder } from "./vision/finder.js";
import type { Mat } from "./vision/opencv.js";
import type { Track, Tracker } from "./vision/tracker.js";

/** Where a frame's time goes. The camera decodes the next frame while the pipeline is at work on this one. */
export type Stage = "decode" | "detect" | "track" | "classify" | "publish" | "annotate";

export interface PipelineParts {
  readonly finder: FaceFinder;
  readonly tracker: Tracker;
  readonly lifecycle: Lifecycle;
  /** The classifier of now: a reload replaces it between two frames. */
  readonly classifier: () => Classifier;
  /** Cuts faces out of a grey frame, ready for the classifier. */
  readonly crop: (
    grey: Mat,
    boxes: readonly Box[],
    side: number,
    options?: CropOptions,
  ) => Promise<Uint8Array>;
  readonly publish: (events: readonly EmotionEvent[]) => void;
  readonly publishState: (state: State) => void;
  /** Shows a frame that has been through all stages; takes what it needs before it resolves. */
  readonly show: (frame: Frame) => Promise<void>;
  /** Told how long each stage of each frame took, in milliseconds. */
  readonly onStage: (stage: Stage, milliseconds: number) => void;
}

export interface Pipeline {
  /** Takes one frame through every stage; the frame stays the caller's. */
  process(frame: Frame): Promise<void>;
  /** Ends every face: the camera, the source or the daemon stopped, or the owner paused. */
  endAll(at: Instant): void;
}

/** A face is scored at most this often, in milliseconds: expressions do not change faster. */
const SCORE_INTERVAL = 90;
/** Heads tilted by less than this, in degrees, are cut out as they are: the network has seen such. */
const SLIGHT_TILT = 8;
/** While faces are in view, `state` is renewed this often, in milliseconds. */
const STATE_INTERVAL = 1_000;

/** One frame at a time through detect, track, classify, lifecycle, publish and display. */
export function createPipeline(parts: PipelineParts): Pipeline {
  const { finder, tracker, lifecycle, onStage } = parts;
  const scoredAt = new Map<string, number>();
  let stateAt = Number.NEGATIVE_INFINITY;

  async function timed<T>(stage: Stage, work: () => T | Promise<T>): Promise<T> {
    const begun = performance.now();
    const result = await work();
    onStage(stage, performance.now() - begun);
    return result;
  }

  async function process(frame: Frame): Promise<void> {
    const at = frame.steadyAt;
    const sightings = await timed("detect", () => finder.find(frame.grey, tracker.tracks, at));
    const tracks = await timed("track", async () => {
      const updated = tracker.update(sightings, at);
      await finder.remember(frame.grey, updated);
      return updated;
    });
    const classifier = parts.classifier();
    const scores = await timed("classify", () => score(classifier, frame.grey, tracks, at));
    const outcome = lifecycle.observe(
      {
        number: frame.number,
        takenAt: frame.takenAt,
        steadyAt: at,
        width: frame.width,
        height: frame.height,
      },
      tracks.map((track) => observed(track, scores.get(track.id) ?? null)),
      classifier.model,
    );
    await timed("publish", () => {
      if (outcome.events.length > 0) parts.publish(outcome.events);
      tellState(frame, outcome.changed);
    });
    await timed("annotate", () => parts.show(frame));
  }

  /** The scores of the faces that are due, as one batch. */
  async function score(
    classifier: Classifier,
    grey: Mat,
    tracks: readonly Track[],
    at: number,
  ): Promise<ReadonlyMap<string, ScoreVector>> {
    const living = new Set(tracks.map((track) => track.id));
    for (const id of scoredAt.keys()) if (!living.has(id)) scoredAt.delete(id);
    const due = tracks.filter((track) => {
      const last = scoredAt.get(track.id);
      return track.seen && (last === undefined || at - last >= SCORE_INTERVAL);
    });
    if (due.length === 0) return new Map();
    const side = classifier.inputSize;
    const faces = new Uint8Array(due.length * side * side);
    for (const [index, { box, angle }] of due.entries()) {
      const rotation = Math.abs(angle) < SLIGHT_TILT ? 0 : angle;
      faces.set(await parts.crop(grey, [box], side, { rotation }), index * side * side);
    }
    const flat = await classifier.classify(faces, due.length);
    for (const track of due) scoredAt.set(track.id, at);
    return new Map(due.map((track, index) => [track.id, scoresOfFace(flat, index)]));
  }

  function tellState(at: Instant, changed: boolean): void {
    const live = lifecycle.live;
    if (!changed && (live.length === 0 || at.steadyAt - stateAt < STATE_INTERVAL)) return;
    stateAt = at.steadyAt;
    parts.publishState(stateOf(live, at.takenAt));
  }

  function endAll(at: Instant): void {
    tracker.clear();
    scoredAt.clear();
    const events = lifecycle.endAll(at);
    if (events.length === 0) return;
    parts.publish(events);
    tellState(at, true);
  }

  return { process, endAll };
}

function observed(track: Track, scores: ScoreVector | null): ObservedFace {
  return { trackId: track.id, since: track.since, box: track.box, confirmed: track.confirmed, scores };
}
