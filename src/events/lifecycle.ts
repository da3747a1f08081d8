import { type Box, toFractions } from "../base/box.js";
import { EMOTION_LABELS, type FaceLabel } from "../base/labels.js";
import type { ModelIdentity } from "../emotion/classifier.js";
import { decideLabel, type LabelState, type ScoreVector, smooth } from "../emotion/smoothing.js";
import type { EmotionEvent, EndReason, Scores, State } from "./schema.js";

/** What one frame tells of one tracked face. */
export interface ObservedFace {
  readonly trackId: string;
  /** When it was first seen, in milliseconds on the frames' steady clock. */
  readonly since: number;
  /** In pixels of the frame. */
  readonly box: Box;
  /** False while it may still be a false alarm: such a face makes no event. */
  readonly confirmed: boolean;
  /** What the model said of it in this frame; null when it was not asked. */
  readonly scores: ScoreVector | null;
}

export interface ObservedFrame {
  readonly number: number;
  /** Milliseconds since the Unix epoch: what events tell. The clock may be set while the daemon runs. */
  readonly takenAt: number;
  /** Milliseconds on a clock that is never set: what durations are measured by. */
  readonly steadyAt: number;
  readonly width: number;
  readonly height: number;
}

/** One moment on both clocks, in milliseconds. */
export type Instant = Pick<ObservedFrame, "takenAt" | "steadyAt">;

export interface LifecycleSettings {
  readonly device: string;
  /** ULID of this start of the daemon. */
  readonly boot: string;
  /** Makes an event's ULID. */
  readonly newId: () => string;
  readonly minConfidence: number;
  /** Milliseconds. */
  readonly minDwell: number;
  /** Milliseconds. */
  readonly updateInterval: number;
}

/** A face between its `new` and its `end`, as pictures and `state` show it. */
export interface LiveFace {
  readonly trackId: string;
  /** When it was first seen, in milliseconds on the frames' steady clock. */
  readonly since: number;
  /** In fractions of the frame. */
  readonly box: Box;
  readonly label: FaceLabel;
  readonly confidence: number;
  readonly scores: Scores;
}

export interface FrameOutcome {
  readonly events: readonly EmotionEvent[];
  /** True when a face came, went or changed its label: `state` is due at once. */
  readonly changed: boolean;
}

export interface Lifecycle {
  /** Takes a frame's faces in; a face that is no longer among them has ended. */
  observe(frame: ObservedFrame, faces: readonly ObservedFace[], model: ModelIdentity): FrameOutcome;
  /** Ends every live face: the camera, the source or the daemon stopped, or the owner paused. */
  endAll(at: Instant, reason: EndReason): readonly EmotionEvent[];
  /** The faces between `new` and `end`, oldest first. */
  readonly live: readonly LiveFace[];
}

interface Face {
  readonly trackId: string;
  readonly since: number;
  /** The same moment in milliseconds since the Unix epoch. */
  readonly sinceTime: number;
  readonly box: Box;
  readonly smoothed: ScoreVector | null;
  readonly scoredAt: number;
  readonly state: LabelState | null;
  /** What the last event said; null before `new`. */
  readonly told: { readonly label: FaceLabel; readonly at: number } | null;
}

/**
 * Turns what frames show into the life of faces: `new` when a face has stayed `minDwell` and has a label,
 * `update` when the label changed or `updateInterval` passed, `end` when it is gone. Every `new` has one `end`,
 * and `seq` counts all without a gap. Pure but for its state: time comes in with the frame.
 */
export function createLifecycle(settings: LifecycleSettings): Lifecycle {
  let faces: ReadonlyMap<string, Face> = new Map();
  let seq = 0;
  let last: { readonly frame: ObservedFrame; readonly model: ModelIdentity } | null = null;

  function observe(
    frame: ObservedFrame,
    observed: readonly ObservedFace[],
    model: ModelIdentity,
  ): FrameOutcome {
    const events: EmotionEvent[] = [];
    const present = new Set(observed.map((face) => face.trackId));
    for (const face of faces.values()) {
      if (!present.has(face.trackId) && face.told !== null) events.push(endOf(face, frame, model, "gone"));
    }
    const next = new Map<string, Face>();
    for (const sight of observed) {
      const face = scored(faces.get(sight.trackId), sight, frame);
      const type = dueEvent(face, sight, frame.steadyAt);
      if (type === null || face.state === null) {
        next.set(face.trackId, face);
      } else {
        events.push(eventOf(type, face, frame, model));
        const told = { label: face.state.label, at: frame.steadyAt };
        // A label that was about to change when it was first told of has to dwell from then on.
        const state =
          type === "new" ? { ...face.state, challenger: null, ledAt: frame.steadyAt } : face.state;
        next.set(face.trackId, { ...face, state, told });
      }
    }
    faces = next;
    last = { frame, model };
    return {
      events,
      changed: events.some((event) => event.type !== "update" || event.previous !== event.emotion.label),
    };
  }

  function scored(before: Face | undefined, sight: ObservedFace, frame: ObservedFrame): Face {
    const at = frame.steadyAt;
    const sinceTime = frame.takenAt - (at - sight.since);
    const face: Face = {
      ...(before ?? { sinceTime, smoothed: null, scoredAt: at, state: null, told: null }),
      trackId: sight.trackId,
      since: sight.since,
      box: roundBox(toFractions(sight.box, frame.width, frame.height)),
    };
    if (sight.scores === null) return face;
    const smoothed = smooth(face.smoothed, sight.scores, at - face.scoredAt);
    // Decided on what will be told, so that a rounded confidence never contradicts its label.
    return {
      ...face,
      smoothed,
      scoredAt: at,
      state: decideLabel(face.state, roundScores(smoothed), at, settings),
    };
  }

  function dueEvent(face: Face, sight: ObservedFace, at: number): "new" | "update" | null {
    if (face.state === null) return null;
    if (face.told === null) return sight.confirmed && at - face.since >= settings.minDwell ? "new" : null;
    if (face.state.label !== face.told.label) return "update";
    return at - face.told.at >= settings.updateInterval ? "update" : null;
  }

  function eventOf(
    type: EmotionEvent["type"],
    face: Face,
    frame: ObservedFrame,
    model: ModelIdentity,
  ): EmotionEvent {
    seq += 1;
    const emotion = emotionOf(face.state);
    return {
      schema: 1,
      id: settings.newId(),
      boot: settings.boot,
      seq,
      device: settings.device,
      type,
      time: rfc3339(frame.takenAt),
      track: face.trackId,
      since: rfc3339(face.sinceTime),
      duration: Math.round(frame.steadyAt - face.since) / 1000,
      box: face.box,
      emotion,
      previous: type === "new" ? null : (face.told?.label ?? null),
      replayed: false,
      frame: { number: frame.number, width: frame.width, height: frame.height },
      model: { name: model.name, version: model.version },
    };
  }

  function endOf(face: Face, frame: ObservedFrame, model: ModelIdentity, reason: EndReason): EmotionEvent {
    return { ...eventOf("end", face, frame, model), reason };
  }

  function endAll(at: Instant, reason: EndReason): readonly EmotionEvent[] {
    const events: EmotionEvent[] = [];
    if (last !== null) {
      const frame = { ...last.frame, ...at };
      for (const face of faces.values()) {
        if (face.told !== null) events.push(endOf(face, frame, last.model, reason));
      }
    }
    faces = new Map();
    return events;
  }

  return {
    observe,
    endAll,
    get live() {
      return [...faces.values()].filter((face) => face.told !== null).map(liveFace);
    },
  };
}

function liveFace(face: Face): LiveFace {
  return { trackId: face.trackId, since: face.since, box: face.box, ...emotionOf(face.state) };
}

function emotionOf(state: LabelState | null): EmotionEvent["emotion"] {
  // Only faces with a label are told of.
  if (state === null) throw new Error("a face without a label has no event");
  const scores = Object.fromEntries(
    EMOTION_LABELS.map((label, index) => [label, state.scores[index] ?? 0]),
  ) as Scores;
  const confidence = state.label === "uncertain" ? Math.max(...state.scores) : scores[state.label];
  return { label: state.label, confidence, scores };
}

/** The retained picture of now: who is in view. */
export function stateOf(live: readonly LiveFace[], at: number): State {
  return {
    time: rfc3339(at),
    faces: live.length,
    dominant: dominantLabel(live),
    tracks: live.map(({ trackId, label, confidence, box }) => ({ track: trackId, label, confidence, box })),
  };
}

/** The label of most faces; of equally many, the one whose faces cover more of the picture. */
function dominantLabel(live: readonly LiveFace[]): FaceLabel | null {
  const weights = new Map<FaceLabel, number>();
  for (const { label, box } of live) {
    // A face counts 1, and its area (under 1 in all) only decides a tie.
    weights.set(label, (weights.get(label) ?? 0) + 1 + (box.width * box.height) / (live.length + 1));
  }
  return [...weights].reduce<[FaceLabel | null, number]>(
    (most, entry) => (entry[1] > most[1] ? entry : most),
    [null, 0],
  )[0];
}

/** Milliseconds since the Unix epoch as RFC 3339, UTC, with milliseconds. */
export function rfc3339(at: number): string {
  return new Date(at).toISOString();
}

const DECIMALS = 1e4;

/** Four decimals are finer than any box is known. */
function roundBox(box: Box): Box {
  const round = (value: number): number => Math.round(value * DECIMALS) / DECIMALS;
  return { x: round(box.x), y: round(box.y), width: round(box.width), height: round(box.height) };
}

/** Four decimals that still sum to 1: what rounding down left over goes to the largest remainders. */
function roundScores(scores: ScoreVector): ScoreVector {
  const exact = scores.map((score) => score * DECIMALS);
  const whole = exact.map((score) => Math.floor(score + 1e-6));
  const rest = DECIMALS - whole.reduce((sum, score) => sum + score, 0);
  const byRemainder = exact
    .map((score, index) => ({ index, remainder: score - (whole[index] ?? 0) }))
    .sort((a, b) => b.remainder - a.remainder || a.index - b.index);
  for (const { index } of byRemainder.slice(0, rest)) whole[index] = (whole[index] ?? 0) + 1;
  return whole.map((score) => score / DECIMALS);
}
