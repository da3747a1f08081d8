import type { Mat } from "../base/opencv.js";

/**
 * One picture from a camera. Whoever holds it owns its native memory and must `release()` it exactly once;
 * the Mats that it hands out stay its own and die with it.
 */
export interface Frame {
  /** Counts from 1 for each start of the daemon, across camera restarts; dropped frames count too. */
  readonly number: number;
  /** When the picture was taken, in milliseconds since the Unix epoch. */
  readonly takenAt: number;
  /**
   * The same moment on a clock that is never set, in milliseconds from an arbitrary start: durations are measured
   * by it, so that a step of the system's time ends no face.
   */
  readonly steadyAt: number;
  readonly width: number;
  readonly height: number;
  /** The grey picture, CV_8UC1, `height` × `width`, privacy masks blanked. */
  readonly grey: Mat;
  /** The colour picture as BGR, CV_8UC3, masks blanked; made on first use, then kept. */
  picture(): Promise<Mat>;
  release(): void;
}
