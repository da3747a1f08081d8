import type { Config } from "../config/schema.js";
import { type Cascade, type CascadeHit, loadCascade } from "./cascade.js";
import type { Mat } from "./opencv.js";
import { planScan, type RegionScan, type ScheduleState } from "./schedule.js";
import { type Sighting, suppressOverlaps } from "./sighting.js";
import { createTemplateMemory } from "./template.js";
import type { Track } from "./tracker.js";

/** Finds the faces of a frame, spending as little as the schedule allows. */
export interface FaceFinder {
  /**
   * @param grey the frame, CV_8UC1; stays the caller's.
   * @param tracks the faces of the frame before: where to look.
   * @param at when the frame was taken, in milliseconds on the frames' steady clock.
   * @returns one sighting a face.
   */
  find(grey: Mat, tracks: readonly Track[], at: number): Promise<Sighting[]>;
  /** Remembers how the tracks that were seen look now; the frame stays the caller's. */
  remember(grey: Mat, tracks: readonly Track[]): Promise<void>;
  release(): void;
}

/** Steps between sizes in a track's own neighbourhood, where few sizes are tried and each should fit. */
const REGION_SCALE_FACTOR = 1.1;
/** A region is looked at because a face was there: fewer hits are enough. */
const REGION_MIN_NEIGHBORS = 2;

/** @throws CascadeError when the configured cascade cannot be used. */
export function createFaceFinder(detector: Config["detector"]): FaceFinder {
  const cascade = loadCascade(detector.cascade);
  const templates = createTemplateMemory();
  let schedule: ScheduleState = { lastFullScanAt: Number.NEGATIVE_INFINITY };

  async function find(grey: Mat, tracks: readonly Track[], at: number): Promise<Sighting[]> {
    const plan = planScan(schedule, tracks, at);
    const sightings: Sighting[] = [];
    if (plan.full) {
      schedule = { lastFullScanAt: at };
      const hits = await cascade.scan(grey, {
        minSize: detector.minFaceSize * grey.rows,
        scaleFactor: detector.scaleFactor,
        minNeighbors: detector.minNeighbors,
      });
      sightings.push(...hits.map((hit) => toSighting(hit)));
    }
    for (const region of plan.regions) sightings.push(...(await lookNear(cascade, grey, region)));
    const unseen = tracks.filter(
      (track) => track.confirmed && !sightings.some((seen) => isNear(track, seen)),
    );
    for (const track of unseen) {
      const box = await templates.find(track.id, grey, track.box);
      if (box !== null) sightings.push({ box, score: 0, by: "template", trackId: track.id });
    }
    return suppressOverlaps(sightings);
  }

  async function remember(grey: Mat, tracks: readonly Track[]): Promise<void> {
    templates.keepOnly(new Set(tracks.map((track) => track.id)));
    for (const track of tracks) {
      if (track.seen) await templates.remember(track.id, grey, track.box);
    }
  }

  return { find, remember, release: () => templates.release() };
}

async function lookNear(cascade: Cascade, grey: Mat, scan: RegionScan): Promise<Sighting[]> {
  const hits = await cascade.scan(grey, {
    region: scan.region,
    minSize: scan.minSize,
    maxSize: scan.maxSize,
    scaleFactor: REGION_SCALE_FACTOR,
    minNeighbors: REGION_MIN_NEIGHBORS,
  });
  // The strongest: a neighbourhood is one face's, and the full scan finds others.
  const best = hits.reduce<CascadeHit | null>(
    (most, hit) => (most === null || hit.neighbors > most.neighbors ? hit : most),
    null,
  );
  return best === null ? [] : [toSighting(best)];
}

function toSighting(hit: CascadeHit): Sighting {
  return { box: hit.box, score: hit.neighbors, by: "cascade", trackId: null };
}

function isNear(track: Track, sighting: Sighting): boolean {
  const { box } = track;
  const x = sighting.box.x + sighting.box.width / 2;
  const y = sighting.box.y + sighting.box.height / 2;
  return x > box.x && x < box.x + box.width && y > box.y && y < box.y + box.height;
}
