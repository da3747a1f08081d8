import type { Frame } from "../camera/frame.js";
import type { Classifier } from "../emotion/classifier.js";
import type { Scorer } from "../emotion/scorer.js";
import type { ScoreVector } from "../emotion/smoothing.js";
import type { Instant, Lifecycle, ObservedFace, ObservedFrame } from "../events/lifecycle.js";
import { stateOf } from "../events/lifecycle.js";
import type { EmotionEvent, EndReason, State } from "../events/schema.js";
import type { FaceFinder } from "../vision/finder.js";
import type { Track, Tracker } from "../vision/tracker.js";

/** Where a frame's time goes. The camera decodes the next frame while the pipeline is at work on this one. */
export type Stage = "decode" | "detect" | "track" | "classify" | "publish" | "annotate";

export interface PipelineParts {
  readonly finder: FaceFinder;
  readonly tracker: Tracker;
  readonly lifecycle: Lifecycle;
  /** The classifier of now: a reload replaces it between two frames. */
  readonly classifier: () => Classifier;
  readonly scorer: Scorer;
  /** Resolves when there is somebody to tell: frames may come before. */
  readonly opened: () => Promise<unknown>;
  readonly publish: (events: readonly EmotionEvent[]) => void;
  readonly publishState: (state: State) => void;
  /** Shows a frame that has been through all stages; takes what it needs before it resolves. */
  readonly show: (frame: Frame, tracks: readonly Track[]) => Promise<void>;
  /** Told how long each stage of each frame took, in milliseconds. */
  readonly onStage: (stage: Stage, milliseconds: number) => void;
}

/** A frame's way through all stages. */
export interface Pipeline {
  /** Finds, follows, names, tells and shows the faces of a frame, one at a time and in order; it stays the caller's. */
  process(frame: Frame): Promise<void>;
  /**
   * Ends every face: the camera, the source or the daemon stopped, or the owner paused. What is under way makes no
   * event any more, nor does a frame that was taken before and still waits: a face that it began would have nobody to
   * end it while no frame comes.
   */
  endAll(at: Instant, reason: EndReason): void;
}

/** While faces are in view, `state` is renewed this often, in milliseconds. */
const STATE_INTERVAL = 1_000;

/** A frame through detect and track, then through classify, lifecycle, publish and display. */
export function createPipeline(parts: PipelineParts): Pipeline {
  const { finder, tracker, lifecycle, scorer, onStage } = parts;
  let stateAt = Number.NEGATIVE_INFINITY;
  /** Counts the times that all faces were ended. */
  let age = 0;
  /** When all faces were last ended, on the frames' steady clock. */
  let endedAt = Number.NEGATIVE_INFINITY;

  async function timed<T>(stage: Stage, work: () => T | Promise<T>): Promise<T> {
    const begun = performance.now();
    const result = await work();
    onStage(stage, performance.now() - begun);
    return result;
  }

  async function process(frame: Frame): Promise<void> {
    const at = frame.steadyAt;
    if (at < endedAt) return;
    const begunAt = age;
    const sightings = await timed("detect", () => finder.find(frame.grey, tracker.tracks, at));
    // Ended meanwhile: these sightings belong to faces that are gone.
    if (age !== begunAt) return;
    const tracks = await timed("track", async () => {
      const updated = tracker.update(sightings, at);
      await finder.remember(frame.grey, updated);
      return updated;
    });
    const classifier = parts.classifier();
    const scores = await timed("classify", () => scorer.score(classifier, frame.grey, tracks, at));
    await parts.opened();
    if (age !== begunAt) return;
    const outcome = lifecycle.observe(
      momentOf(frame),
      tracks.map((track) => observed(track, scores.get(track.id) ?? null)),
      classifier.model,
    );
    await timed("publish", () => {
      if (outcome.events.length > 0) parts.publish(outcome.events);
      tellState(frame, outcome.changed);
    });
    await timed("annotate", () => parts.show(frame, tracks));
  }

  function tellState(at: Instant, changed: boolean): void {
    const live = lifecycle.live;
    if (!changed && (live.length === 0 || at.steadyAt - stateAt < STATE_INTERVAL)) return;
    stateAt = at.steadyAt;
    parts.publishState(stateOf(live, at.takenAt));
  }

  function endAll(at: Instant, reason: EndReason): void {
    age += 1;
    endedAt = at.steadyAt;
    tracker.clear();
    finder.restart();
    scorer.forget();
    const events = lifecycle.endAll(at, reason);
    if (events.length === 0) return;
    parts.publish(events);
    tellState(at, true);
  }

  return { process, endAll };
}

/** What outlives the frame itself. */
function momentOf({ number, takenAt, steadyAt, width, height }: Frame): ObservedFrame {
  return { number, takenAt, steadyAt, width, height };
}

function observed(track: Track, scores: ScoreVector | null): ObservedFace {
  return { trackId: track.id, since: track.since, box: track.box, confirmed: track.confirmed, scores };
}
