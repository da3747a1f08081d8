import type { Box } from "./box.js";
import type { Track } from "./tracker.js";

/** A look at the neighbourhood of one track. */
export interface RegionScan {
  readonly trackId: string;
  readonly region: Box;
  readonly minSize: number;
  readonly maxSize: number;
}

/** What to look at in one frame. */
export interface ScanPlan {
  /** Look for new faces in the whole frame. */
  readonly full: boolean;
  readonly regions: readonly RegionScan[];
}

export interface ScheduleState {
  /** When the whole frame was last scanned, in milliseconds on the frames' steady clock; -Infinity before the first. */
  readonly lastFullScanAt: number;
}

/** How long a new face may stay unseen, in milliseconds. */
export const FULL_SCAN_INTERVAL = 250;
/** A track's neighbourhood, in face widths and heights. */
const REGION_SCALE = 1.9;
/** A face seldom grows or shrinks more than this between frames. */
const MIN_SIZE_RATIO = 0.72;
const MAX_SIZE_RATIO = 1.4;

/**
 * Decides what to scan: a full frame costs twenty times a region, and is what decides whether a Pi keeps up. So
 * the whole frame is looked at four times a second, and each tracked face in its own neighbourhood, at its own
 * size, in every frame between.
 */
export function planScan(state: ScheduleState, tracks: readonly Track[], at: number): ScanPlan {
  const full = at - state.lastFullScanAt >= FULL_SCAN_INTERVAL;
  return { full, regions: tracks.map(neighbourhood) };
}

function neighbourhood(track: Track): RegionScan {
  const { x, y, width, height } = track.box;
  return {
    trackId: track.id,
    region: {
      x: x - (width * (REGION_SCALE - 1)) / 2,
      y: y - (height * (REGION_SCALE - 1)) / 2,
      width: width * REGION_SCALE,
      height: height * REGION_SCALE,
    },
    minSize: width * MIN_SIZE_RATIO,
    maxSize: width * MAX_SIZE_RATIO,
  };
}
