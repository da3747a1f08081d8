import type { Box } from "../base/box.js";
import type { FaceLabel } from "../base/labels.js";
import type { Scores } from "../events/schema.js";

/** A face as the picture shows it. */
export interface SceneFace {
  /** Fractions of the frame. */
  readonly box: Box;
  readonly label: FaceLabel;
  readonly confidence: number;
  readonly scores: Scores;
  readonly trackId: string;
  readonly ageSeconds: number;
}

/** All that is drawn over a frame. */
export interface Scene {
  readonly device: string;
  readonly faces: readonly SceneFace[];
  /** What is pixelated before anything is drawn, in fractions of the frame: as `display/hiding.ts` says. */
  readonly hidden: readonly Box[];
  /** Frames a second of the pipeline. */
  readonly fps: number;
  readonly broker: "connected" | "away";
  /** The camera's status; `running` counts as good, all else as a warning. */
  readonly camera: string;
  /** The time of day, as it is to be read. */
  readonly clock: string;
}
