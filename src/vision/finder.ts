import { type Box, grown, intersectionOverUnion, toFractions } from "../base/box.js";
import type { Mat } from "../base/opencv.js";
import type { Config } from "../config/schema.js";
import { type KnownFace, scanUnit } from "./background.js";
import { loadCascade } from "./cascade.js";
import { isOnChest } from "./chest.js";
import { confirmingLooks, confirmLooks, followLook, type Look, searchLooks } from "./look.js";
import {
  type Appearance,
  appearanceOf,
  askCascade,
  type Cascades,
  difference,
  expectedBox,
  FINE,
  type Found,
  findAppearance,
  NARROW,
  type Reach,
} from "./neighbourhood.js";
import { createSchedule, type ScanSchedule, type ScanUnit } from "./schedule.js";
import { type Sighting, suppressOverlaps } from "./sighting.js";
import { thumbnailOf } from "./thumbnail.js";
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
  release(): void;
}

/** What is kept of a track between frames. */
interface Memory {
  appearance: Appearance | null;
  /** When a cascade last had a look at it, in milliseconds on the frames' steady clock. */
  askedAt: number;
  /** Looks given since it was last seen, and looks given in all. */
  misses: number;
  looks: number;
  /** What saw it last, where that was not a narrow look of the main cascade. */
  seenBy: Look["by"] | null;
}

/** What a scan came upon, and no other cascade has looked at yet. */
interface Guess {
  readonly sighting: Sighting;
  readonly by: Look["by"];
  /** Frames in which it was looked at. */
  readonly frames: number;
}

/** A face that looks as it did is shown to the cascade again after this time, in milliseconds: */
const STILL_INTERVAL = 1_000;
/** and one that moves, but looks the same. */
const ALIKE_INTERVAL = 320;
/** Mean change of a face in grey levels under which it stayed as it was. */
const STILL = 2.5;
/** Correlation of a face with what it was from which it looks the same. */
const ALIKE = 0.93;
/** Faster than this, in face widths between frames, a face is not still. */
const STILL_SPEED = 0.04;
/** Looks a frame at faces that were missed: for each of them, and for all together. */
const SEARCH_LOOKS = 2;
const ALL_SEARCH_LOOKS = 5;
/** Looks a frame at each track that is not confirmed yet. */
const CONFIRM_LOOKS = 2;
/** Hits on a guess, in all looks together, that make it a face when two cascades agree; and hits in one look alone. */
const EVIDENCE = 7;
/** How many times the hits a guess on somebody's chest needs. */
const CHEST_DOUBT = 2;
/** Overlap from which two looks saw the same. */
const SAME_PLACE = 0.5;
const STRONG = 14;
/** A weak hit or likeness is believed where the face is expected: at most this far away, in its widths. */
const WEAK = 5;
const WEAK_REACH = 0.3;
/** Looks at a guess after which most are decided. */
const SURE_AFTER = 2;
/** How many times the hits of a face that is seen well. */
const SURE = 2;
/** Guesses looked at in one frame, after the first, and at most waiting: scans wait until these are through. */
const GUESSES = 4;
/** Frames in which a guess is looked at before it is given up. */
const GUESS_FRAMES = 5;
const WAITING_GUESSES = 64;
/** How far a head reaches over its face on each side, in face widths. */
const HEAD = 0.3;
/** Every so many looks at a face that is seen, a look beside its tilt. */
const FOLLOW_EVERY = 3;
/**
 * Windows are two pixels apart in a scan at the smallest size, where a face makes a quarter of the hits that it makes
 * at full size.
 */
const HITS_SHARE = 0.25;

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
  const minHits = Math.max(1, Math.round(detector.minNeighbors * HITS_SHARE));
  const memories = new Map<string, Memory>();
  let schedule: { plan: ScanSchedule; width: number; height: number } | undefined;
  let previousAt: number | undefined;
  let now = 0;
  let frames = 0;
  let guesses: Guess[] = [];
  let swept = false;
  let restarts = false;

  async function find(grey: Mat, tracks: readonly Track[], at: number): Promise<Sighting[]> {
    if (restarts) begin();
    const elapsed = previousAt === undefined ? 0 : Math.min(1, Math.max(0, (at - previousAt) / 1000));
    previousAt = at;
    now = at;
    const seen: Sighting[] = [];
    let searches = ALL_SEARCH_LOOKS;
    frames++;
    for (const [index] of tracks.entries()) {
      // Another face goes first in each frame, so that none waits for ever behind the others.
      const track = tracks[(index + frames) % tracks.length] as Track;
      const memory = memoryOf(track);
      const expected = expectedBox(track, elapsed);
      const found = await lookAt(grey, track, memory, expected, at, elapsed);
      if (found !== null) {
        // What only looks like the face goes on being searched for where the search left off.
        if (found.by === "cascade") memory.misses = 0;
        seen.push(found);
        continue;
      }
      const looks = track.confirmed
        ? searchLooks(memory.misses, Math.min(searches, SEARCH_LOOKS))
        : confirmLooks(memory.misses, CONFIRM_LOOKS);
      // A guess has only a few frames to live, and is not to wait behind a face that went away.
      if (track.confirmed) searches -= looks.length;
      const sighting =
        (await search(grey, track, memory, expected, looks)) ?? lookAlike(grey, track, memory, expected);
      if (sighting !== null) seen.push(sighting);
    }
    const fresh = await lookForNew(grey, tracks, seen, at);
    swept ||= guesses.length === 0 && schedule?.plan.swept === true;
    return suppressOverlaps([...seen, ...fresh]);
  }

  function begin(): void {
    restarts = false;
    swept = false;
    schedule = undefined;
    guesses = [];
    frames = 0;
  }

  /** The look that nearly always does: is it as it was, or does the cascade see it as it was tilted last? */
  async function lookAt(
    grey: Mat,
    track: Track,
    memory: Memory,
    expected: Box,
    at: number,
    elapsed: number,
  ): Promise<Sighting | null> {
    const { appearance } = memory;
    const since = at - memory.askedAt;
    if (track.confirmed && track.seen && appearance !== null && since < STILL_INTERVAL) {
      const speed = (Math.hypot(track.velocity.x, track.velocity.y) * elapsed) / track.box.width;
      if (speed < STILL_SPEED && isStill(grey, appearance)) {
        return { box: appearance.box, score: 1, by: "template", trackId: track.id, angle: track.angle };
      }
      if (since < ALIKE_INTERVAL) {
        const alike = lookAlike(grey, track, memory, expected);
        if (alike !== null && alike.score >= ALIKE) return alike;
      }
    }
    // A guess goes through its own looks.
    if (!track.confirmed) return null;
    memory.askedAt = at;
    memory.looks++;
    const angle = track.angle;
    const { seenBy } = memory;
    if (seenBy !== null) {
      // A face that the narrow look sees badly is shown to what saw it last.
      const again = await ask(grey, expected, seenBy, angle, FINE);
      if (again !== null) return toSighting(again, track);
      memory.seenBy = null;
      return null;
    }
    const found = await ask(grey, expected, "main", angle, NARROW);
    if (found === null) return null;
    if (memory.looks % FOLLOW_EVERY !== 0) return toSighting(found, track);
    const beside = followLook(memory.looks / FOLLOW_EVERY);
    const other = await ask(grey, expected, beside.by, angle + beside.turn, NARROW);
    if (other === null) return toSighting(found, track);
    // Between the two tilts, as the hits weigh.
    const share = other.neighbors / (other.neighbors + found.neighbors);
    const best = other.neighbors > found.neighbors ? other : found;
    return toSighting({ ...best, angle: angle + share * beside.turn }, track);
  }

  function isStill(grey: Mat, before: Appearance): boolean {
    const present = appearanceOf(grey, before.box, before.angle);
    return difference(present.cells, before.cells) < STILL;
  }

  function ask(grey: Mat, expected: Box, by: Look["by"], angle: number, reach: Reach): Promise<Found | null> {
    return askCascade(cascades, grey, expected, by, angle, reach);
  }

  /** The face of a track that its own cascade does not see: other tilts and other cascades. */
  async function search(
    grey: Mat,
    track: Track,
    memory: Memory,
    expected: Box,
    looks: readonly Look[],
  ): Promise<Sighting | null> {
    for (const look of looks) {
      memory.misses++;
      const found = await ask(grey, expected, look.by, track.angle + look.turn, FINE);
      if (found === null || (found.neighbors < WEAK && isAside(found.box, expected))) continue;
      memory.misses = 0;
      // Seen at another tilt, it will be seen by a narrow look there.
      memory.seenBy = track.confirmed && look.turn === 0 ? look.by : null;
      return toSighting(found, track);
    }
    return null;
  }

  /** What looks as the face did when a cascade last saw it. */
  function lookAlike(grey: Mat, track: Track, memory: Memory, expected: Box): Sighting | null {
    if (!track.confirmed || memory.appearance === null) return null;
    const found = findAppearance(grey, memory.appearance, expected);
    if (found === null || (found.correlation < ALIKE && isAside(found.box, expected))) return null;
    return {
      box: found.box,
      score: found.correlation,
      by: "template",
      trackId: track.id,
      angle: track.angle,
    };
  }

  async function lookForNew(
    grey: Mat,
    tracks: readonly Track[],
    seen: readonly Sighting[],
    at: number,
  ): Promise<Sighting[]> {
    if (schedule === undefined || schedule.width !== grey.cols || schedule.height !== grey.rows) {
      swept = false;
      schedule = {
        plan: createSchedule({
          width: grey.cols,
          height: grey.rows,
          minFace: detector.minFaceSize * grey.rows,
          scaleFactor: detector.scaleFactor,
          maxUnseen: detector.maxUnseen * 1000,
          budget: detector.budget,
        }),
        width: grey.cols,
        height: grey.rows,
      };
    }
    const known = new Map(
      tracks
        .filter((track) => track.confirmed && seen.some((sighting) => isNear(track.box, sighting)))
        .map((track) => [track.id, toFractions(headOf(track.box), grey.cols, grey.rows)]),
    );
    const isFirst = frames === 1;
    // A face that only looks as it did is shown to whoever comes upon it: it may not be where it seems.
    const sure = seen.filter(
      ({ by, trackId }) => by === "cascade" || memories.get(trackId ?? "")?.misses === 0,
    );
    if (guesses.length <= GUESSES) {
      const hidden = sure.flatMap((sighting) => knownFace(sighting, tracks));
      await scan(grey, schedule.plan.plan(thumbnailOf(grey), known, at), schedule.plan, hidden);
    }
    const fresh: Sighting[] = [];
    let room = isFirst ? WAITING_GUESSES : GUESSES;
    for (const guess of guesses.splice(0)) {
      if ([...sure, ...fresh].some((sighting) => isNear(sighting.box, guess.sighting))) continue;
      if (room-- <= 0) {
        guesses.push(guess);
        continue;
      }
      const { face, again } = await verify(grey, guess, [...sure, ...fresh]);
      if (face !== null) fresh.push(face);
      if (again !== null) guesses.push(again);
    }
    return fresh;
  }

  /** A face that scans need not come upon again; none where the track may be a false alarm. */
  function knownFace({ box, trackId }: Sighting, tracks: readonly Track[]): KnownFace[] {
    const isConfirmed = tracks.some(({ id, confirmed }) => confirmed && id === trackId);
    const cells = memories.get(trackId ?? "")?.appearance?.cells;
    return isConfirmed && cells !== undefined ? [{ box, level: meanOf(cells) }] : [];
  }

  async function scan(
    grey: Mat,
    units: readonly ScanUnit[],
    plan: ScanSchedule,
    known: readonly KnownFace[],
  ): Promise<void> {
    for (const unit of units) {
      const cost = meter();
      const hits = await scanUnit(cascades, grey, unit, minHits, known);
      plan.spent(unit.windows, cost());
      guesses.push(...hits.map((sighting) => ({ sighting, by: unit.by, frames: 0 })));
    }
    // The surest first, and none twice by the same cascade: another's box may be the better one.
    guesses = suppressOverlapsOfEach(guesses).slice(0, WAITING_GUESSES);
  }

  /** Two cascades seldom share a false alarm: what is new is believed when another sees it too, or one sees it well. */
  async function verify(
    grey: Mat,
    guess: Guess,
    faces: readonly Sighting[],
  ): Promise<{ face: Sighting | null; again: Guess | null }> {
    const { sighting, by } = guess;
    // Heads do not hold other people's faces: a group of them looks like a large one.
    if (faces.filter(({ box }) => isNear(sighting.box, { box })).length > 1)
      return { face: null, again: null };
    const doubt = faces.some(({ box }) => isOnChest(sighting.box, box)) ? CHEST_DOUBT : 1;
    let own: Found | null = null;
    let best: Found | null = null;
    const seen: (Found & { readonly by: Look["by"] })[] = [];
    for (const [index, look] of confirmingLooks(by).entries()) {
      // Nearly every face is seen by both frontal cascades as it was found. One seen weakly may be tilted.
      if (index === SURE_AFTER && (best === null || isAgreed(best, seen, by, SURE * doubt))) break;
      const found = await ask(grey, sighting.box, look.by, (sighting.angle ?? 0) + look.turn, FINE);
      if (found === null) continue;
      seen.push({ ...found, by: look.by });
      // The tilt that is seen best is the face's; a profile's box is the least exact.
      const isFrontal = look.by === "main" || look.by === "second";
      if (best === null || (isFrontal && found.neighbors > best.neighbors)) best = found;
      if (look.by === by && (own === null || found.neighbors > own.neighbors)) own = found;
    }
    if (best !== null && isAgreed(best, seen, by, doubt)) return { face: agreed(best), again: null };
    // The one sees it still: the next frames may show it to the other, too.
    const tried = guess.frames + 1;
    if (own === null || tried === GUESS_FRAMES) return { face: null, again: null };
    return { face: null, again: { sighting: agreed(own), by, frames: tried } };
  }

  function memoryOf(track: Track): Memory {
    let memory = memories.get(track.id);
    if (memory === undefined) {
      memory = {
        appearance: null,
        askedAt: Number.NEGATIVE_INFINITY,
        misses: 0,
        looks: 0,
        seenBy: null,
      };
      memories.set(track.id, memory);
    }
    return memory;
  }

  async function remember(grey: Mat, tracks: readonly Track[]): Promise<void> {
    const living = new Set(tracks.map((track) => track.id));
    for (const id of memories.keys()) if (!living.has(id)) memories.delete(id);
    for (const track of tracks) {
      if (!track.seen || track.lastFaceAt < now) continue;
      memoryOf(track).appearance = appearanceOf(grey, track.box, track.angle);
    }
  }

  return {
    get swept() {
      return swept && !restarts;
    },
    find,
    remember,
    restart: () => {
      restarts = true;
    },
    release: () => memories.clear(),
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

/**
 * Two cascades see it in the same place, and well enough together; or one sees it well.
 *
 * @param doubt how many times as well as usual.
 */
function isAgreed(
  best: Found,
  seen: readonly (Found & { readonly by: Look["by"] })[],
  by: Look["by"],
  doubt: number,
): boolean {
  if (best.neighbors >= doubt * STRONG) return true;
  const there = seen.filter(({ box }) => intersectionOverUnion(box, best.box) >= SAME_PLACE);
  const hits = there.reduce((sum, { neighbors }) => sum + neighbors, 0);
  return there.some((look) => look.by !== by) && hits >= doubt * EVIDENCE;
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

function isAside(found: Box, expected: Box): boolean {
  const x = found.x + found.width / 2 - expected.x - expected.width / 2;
  const y = found.y + found.height / 2 - expected.y - expected.height / 2;
  return Math.hypot(x, y) > WEAK_REACH * expected.width;
}

function agreed({ box, neighbors, angle }: Found): Sighting {
  return { box, score: neighbors, by: "cascade", trackId: null, angle, looks: 2 };
}

function toSighting(found: Found, track: Track): Sighting {
  return { box: found.box, score: found.neighbors, by: "cascade", trackId: track.id, angle: found.angle };
}

/** Hair, ears and chin move with a face, and are no news. */
function headOf(face: Box): Box {
  return grown(face, HEAD);
}

function isNear(box: Box, sighting: Pick<Sighting, "box">): boolean {
  const x = sighting.box.x + sighting.box.width / 2;
  const y = sighting.box.y + sighting.box.height / 2;
  return x > box.x && x < box.x + box.width && y > box.y && y < box.y + box.height;
}

function meanOf(cells: Uint8Array): number {
  return Math.round(cells.reduce((sum, level) => sum + level, 0) / cells.length);
}
