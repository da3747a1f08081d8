import type { Mat } from "../base/opencv.js";
import type { Config } from "../config/schema.js";
import { loadCascade } from "./cascade.js";
import { createFaceFollower } from "./followed-faces.js";
import type { Cascades } from "./neighbourhood.js";
import { createNewFaceSearch } from "./new-faces.js";
import { type Sighting, suppressOverlaps } from "./sighting.js";
import type { Track } from "./tracker.js";

/** Finds the faces of a frame, spending as little as the schedule allows. */
export interface FaceFinder {
  /**
   * Whether all of the picture was looked at since the start or the last `restart`: every place, size and tilt once, and
   * nothing that was come upon waits to be verified. Once true it stays so.
   */
  readonly swept: boolean;
  /**
   * @param grey the frame, CV_8UC1; stays the caller's.
   * @param tracks the faces of the frame before: where to look.
   * @param at when the frame was taken, in milliseconds on the frames' steady clock.
   * @returns one sighting a face.
   */
  find(grey: Mat, tracks: readonly Track[], at: number): Promise<Sighting[]>;
  /** Remembers how the tracks that a cascade found in this frame look now; the frame stays the caller's. */
  remember(grey: Mat, tracks: readonly Track[]): Promise<void>;
  /** Looks at the next frame as at the first: what comes may be another scene. What is under way ends before. */
  restart(): void;
}

/**
 * @param meter begins to measure what a scan costs, and tells it in milliseconds of CPU time when it is asked again.
 * @throws CascadeError when the configured cascade cannot be used.
 */
export function createFaceFinder(
  detector: Config["detector"],
  meter: () => () => number = startMeter,
): FaceFinder {
  const cascades: Cascades = {
    main: loadCascade(detector.cascade),
    second: loadCascade(detector.cascade === "frontalface_alt2" ? "frontalface_default" : "frontalface_alt2"),
    profile: loadCascade("profileface"),
  };
  const follower = createFaceFollower(cascades);
  let search = createNewFaceSearch(cascades, detector, meter);
  let frames = 0;
  let restarts = false;

  async function find(grey: Mat, tracks: readonly Track[], at: number): Promise<Sighting[]> {
    if (restarts) {
      restarts = false;
      search = createNewFaceSearch(cascades, detector, meter);
      frames = 0;
    }
    frames++;
    const followed = await follower.follow(grey, tracks, at, frames);
    const fresh = await search.find(grey, tracks, followed, at);
    return suppressOverlaps([...followed.seen, ...fresh]);
  }

  return {
    get swept() {
      return search.swept && !restarts;
    },
    find,
    remember: follower.remember,
    restart: () => {
      restarts = true;
    },
  };
}

/**
 * CPU time of what is begun now, in milliseconds, when it is asked again. A scan has one thread (see opencv.ts), so it
 * took no more than the clock shows, and no more than the whole process did: on a busy machine the second is less.
 */
function startMeter(): () => number {
  const [begun, cpu] = [performance.now(), process.cpuUsage()];
  return () => {
    const { user, system } = process.cpuUsage(cpu);
    return Math.min(performance.now() - begun, (user + system) / 1000);
  };
}
