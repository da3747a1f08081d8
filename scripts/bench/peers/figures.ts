import { type Accuracy, scoreAccuracy } from "../accuracy.js";
import type { BenchClip } from "./clips.js";
import type { ContestantRun } from "./run.js";

/** What a contestant did on one clip. */
export interface ClipFigures {
  readonly clip: string;
  readonly cpuMsPerFrame: number;
  readonly framesPerSecond: number;
  readonly p95Ms: number;
  /** Means over the rounds; null where nobody knows where the faces are, or there are none. */
  readonly recall: number | null;
  readonly precision: number | null;
  readonly idSwitches: number | null;
  /** Faces reported a frame, all frames. */
  readonly facesPerFrame: number;
}

/** What a contestant did: the clips one by one, and those with faces together. */
export interface ContestantFigures extends Omit<ClipFigures, "clip" | "idSwitches" | "facesPerFrame"> {
  readonly id: string;
  readonly name: string;
  readonly peakRssMiB: number;
  readonly clips: readonly ClipFigures[];
}

/** Seconds that a face may be in view before it must have been found. */
const GRACE = 1;

/** Adds up what was measured. */
export function figuresOf(run: ContestantRun, clips: readonly BenchClip[]): ContestantFigures {
  const perClip = run.clips.map((clipRun, index): ClipFigures => {
    const { truth = null, framesPerSecond = 1 } = clips[index] ?? {};
    const looks = clipRun.frames * clipRun.reported.length;
    const hasFaces = truth?.some((faces) => faces.length > 0) ?? false;
    const scores =
      truth === null || !hasFaces
        ? []
        : clipRun.reported.map((round) => scoreAccuracy(truth, round, Math.round(GRACE * framesPerSecond)));
    const average = (of: (score: Accuracy) => number) =>
      scores.length === 0 ? null : mean(scores.map((score) => of(score)));
    return {
      clip: clipRun.clip,
      cpuMsPerFrame: clipRun.cpuMs / looks,
      framesPerSecond: (looks * 1000) / clipRun.wallMs,
      p95Ms: percentile(clipRun.latenciesMs, 95),
      recall: average((score) => score.recall),
      precision: average((score) => score.precision),
      // Who never names a face cannot confuse two.
      idSwitches: clipRun.reported.flat(2).some(({ id }) => id !== null)
        ? average((score) => score.idSwitches)
        : null,
      facesPerFrame: clipRun.reported.flat(2).length / looks,
    };
  });
  // Every clip with faces weighs the same, however long it is; the empty scene stands by itself.
  const withFaces = perClip.filter(({ recall }) => recall !== null);
  const counted = withFaces.length > 0 ? withFaces : perClip;
  const all = (of: (figures: ClipFigures) => number) => mean(counted.map((figures) => of(figures)));
  const names = new Set(counted.map(({ clip }) => clip));
  return {
    id: run.entry.id,
    name: run.entry.name,
    cpuMsPerFrame: all((clip) => clip.cpuMsPerFrame),
    framesPerSecond: 1000 / all((clip) => 1000 / clip.framesPerSecond),
    p95Ms: percentile(
      run.clips.filter(({ clip }) => names.has(clip)).flatMap(({ latenciesMs }) => latenciesMs),
      95,
    ),
    recall: withFaces.length === 0 ? null : all((clip) => clip.recall ?? 0),
    precision: withFaces.length === 0 ? null : all((clip) => clip.precision ?? 0),
    peakRssMiB: run.peakRssMiB,
    clips: perClip,
  };
}

/** The smallest value that so many per cent of the values are not above; 0 of none. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const index = Math.ceil((percent / 100) * sorted.length) - 1;
  return sorted[Math.min(sorted.length - 1, Math.max(0, index))] ?? 0;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}
