import { grown, toFractions } from "../base/box.js";
import type { Mat } from "../base/opencv.js";
import type { Config } from "../config/schema.js";
import { scanUnit } from "./background.js";
import type { FollowedFaces } from "./followed-faces.js";
import type { Cascades } from "./neighbourhood.js";
import { createSchedule, type ScanSchedule } from "./schedule.js";
import { isNear, type Sighting, suppressOverlaps } from "./sighting.js";
import { thumbnailOf } from "./thumbnail.js";
import type { Track } from "./tracker.js";
import { type Guess, verify } from "./verify.js";

/** Looks for faces that are not followed yet, where and when the schedule says, and verifies what it comes upon. */
export interface NewFaceSearch {
  /** Whether all of the picture was looked at once, and nothing that was come upon waits to be verified. */
  readonly swept: boolean;
  /**
   * @param followed what the frame shows of the tracks.
   * @param at when the frame was taken, in milliseconds on the frames' steady clock.
   * @returns the faces that are new.
   */
  find(grey: Mat, tracks: readonly Track[], followed: FollowedFaces, at: number): Promise<Sighting[]>;
}

/** Guesses looked at in one frame, after the first, and at most waiting: scans wait until these are through. */
const GUESSES = 4;
const WAITING_GUESSES = 64;
/** How far a head reaches over its face on each side, in face widths: hair, ears and chin move with it, and are no news. */
const HEAD = 0.3;
/**
 * Windows are two pixels apart in a scan at the smallest size, where a face makes a quarter of the hits that it makes
 * at full size.
 */
const HITS_SHARE = 0.25;

/** @param meter begins to measure what a scan costs, and tells it in milliseconds of CPU time when it is asked again. */
export function createNewFaceSearch(
  cascades: Cascades,
  detector: Config["detector"],
  meter: () => () => number,
): NewFaceSearch {
  const minHits = Math.max(1, Math.round(detector.minNeighbors * HITS_SHARE));
  let schedule: { plan: ScanSchedule; width: number; height: number } | undefined;
  let guesses: Guess[] = [];
  let swept = false;

  async function find(
    grey: Mat,
    tracks: readonly Track[],
    followed: FollowedFaces,
    at: number,
  ): Promise<Sighting[]> {
    const isFirst = schedule === undefined;
    const { plan } = scheduleOf(grey);
    if (guesses.length <= GUESSES) await scan(grey, tracks, followed, plan, at);
    const fresh = await verified(grey, followed.sure, isFirst ? WAITING_GUESSES : GUESSES);
    swept ||= guesses.length === 0 && plan.swept;
    return fresh;
  }

  /** The schedule for the frame's size: another size is another camera, of which nothing was looked at. */
  function scheduleOf(grey: Mat): { plan: ScanSchedule } {
    if (schedule?.width === grey.cols && schedule.height === grey.rows) return schedule;
    swept = false;
    const plan = createSchedule({
      width: grey.cols,
      height: grey.rows,
      minFace: detector.minFaceSize * grey.rows,
      scaleFactor: detector.scaleFactor,
      maxUnseen: detector.maxUnseen * 1000,
      budget: detector.budget,
    });
    schedule = { plan, width: grey.cols, height: grey.rows };
    return schedule;
  }

  async function scan(
    grey: Mat,
    tracks: readonly Track[],
    { seen, hidden }: FollowedFaces,
    plan: ScanSchedule,
    at: number,
  ): Promise<void> {
    const known = new Map(
      tracks
        .filter((track) => track.confirmed && seen.some((sighting) => isNear(track.box, sighting)))
        .map((track) => [track.id, toFractions(grown(track.box, HEAD), grey.cols, grey.rows)]),
    );
    for (const unit of plan.plan(thumbnailOf(grey), known, at)) {
      const cost = meter();
      const hits = await scanUnit(cascades, grey, unit, minHits, hidden);
      plan.spent(unit.windows, cost());
      guesses.push(...hits.map((sighting) => ({ sighting, by: unit.by, frames: 0 })));
    }
    // The surest first, and none twice by the same cascade: another's box may be the better one.
    guesses = suppressOverlapsOfEach(guesses).slice(0, WAITING_GUESSES);
  }

  /**
   * Looks at what was come upon and is not followed; what there is no room for waits. A face that only looks as it did
   * is not in `sure`: it is shown to whoever comes upon it.
   */
  async function verified(grey: Mat, sure: readonly Sighting[], room: number): Promise<Sighting[]> {
    const fresh: Sighting[] = [];
    let left = room;
    for (const guess of guesses.splice(0)) {
      const faces = [...sure, ...fresh];
      if (faces.some((face) => isNear(face.box, guess.sighting))) continue;
      if (left-- <= 0) {
        guesses.push(guess);
        continue;
      }
      const { face, again } = await verify(cascades, grey, guess, faces);
      if (face !== null) fresh.push(face);
      if (again !== null) guesses.push(again);
    }
    return fresh;
  }

  return {
    get swept() {
      return swept;
    },
    find,
  };
}

function suppressOverlapsOfEach(guesses: readonly Guess[]): Guess[] {
  const cascades = [...new Set(guesses.map(({ by }) => by))];
  const kept = cascades.flatMap((by) => {
    const own = guesses.filter((guess) => guess.by === by);
    const apart = new Set(suppressOverlaps(own.map(({ sighting }) => sighting)));
    return own.filter(({ sighting }) => apart.has(sighting));
  });
  return kept.sort((a, b) => b.sighting.score - a.sighting.score);
}
