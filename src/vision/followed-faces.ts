import type { Box } from "../base/box.js";
import type { Mat } from "../base/opencv.js";
import type { KnownFace } from "./background.js";
import { confirmLooks, followLook, type Look, searchLooks } from "./look.js";
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
import type { Sighting } from "./sighting.js";
import type { Track } from "./tracker.js";

/** What a frame shows of the faces that are followed. */
export interface FollowedFaces {
  readonly seen: readonly Sighting[];
  /** Of these, the ones that no cascade has missed since: what only looks as it did may not be where it seems. */
  readonly sure: readonly Sighting[];
  /** Faces that scans need not come upon again. */
  readonly hidden: readonly KnownFace[];
}

/** Sees the faces again that are followed: where each is expected, and as it was. */
export interface FaceFollower {
  /**
   * @param at when the frame was taken, in milliseconds on the frames' steady clock.
   * @param first index of the track that goes first, any count: the frame's number will do.
   */
  follow(grey: Mat, tracks: readonly Track[], at: number, first: number): Promise<FollowedFaces>;
  /** Remembers how the tracks that a cascade found in this frame look now; the frame stays the caller's. */
  remember(grey: Mat, tracks: readonly Track[]): Promise<void>;
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
/** A weak hit or likeness is believed where the face is expected: at most this far away, in its widths. */
const WEAK = 5;
const WEAK_REACH = 0.3;
/** Every so many looks at a face that is seen, a look beside its tilt. */
const FOLLOW_EVERY = 3;

export function createFaceFollower(cascades: Cascades): FaceFollower {
  const memories = new Map<string, Memory>();
  let previousAt: number | undefined;
  let now = 0;

  async function follow(
    grey: Mat,
    tracks: readonly Track[],
    at: number,
    first: number,
  ): Promise<FollowedFaces> {
    const elapsed = previousAt === undefined ? 0 : Math.min(1, Math.max(0, (at - previousAt) / 1000));
    previousAt = at;
    now = at;
    const seen: Sighting[] = [];
    let searches = ALL_SEARCH_LOOKS;
    for (const [index] of tracks.entries()) {
      // Another face goes first in each frame, so that none waits for ever behind the others.
      const track = tracks[(index + first) % tracks.length] as Track;
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
    const sure = seen.filter(
      ({ by, trackId }) => by === "cascade" || memories.get(trackId ?? "")?.misses === 0,
    );
    return { seen, sure, hidden: sure.flatMap((sighting) => knownFace(sighting, tracks)) };
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

  /** None where the track may be a false alarm. */
  function knownFace({ box, trackId }: Sighting, tracks: readonly Track[]): KnownFace[] {
    const isConfirmed = tracks.some(({ id, confirmed }) => confirmed && id === trackId);
    const cells = memories.get(trackId ?? "")?.appearance?.cells;
    return isConfirmed && cells !== undefined ? [{ box, level: meanOf(cells) }] : [];
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

  return { follow, remember };
}

function isStill(grey: Mat, before: Appearance): boolean {
  const present = appearanceOf(grey, before.box, before.angle);
  return difference(present.cells, before.cells) < STILL;
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

function isAside(found: Box, expected: Box): boolean {
  const x = found.x + found.width / 2 - expected.x - expected.width / 2;
  const y = found.y + found.height / 2 - expected.y - expected.height / 2;
  return Math.hypot(x, y) > WEAK_REACH * expected.width;
}

function toSighting(found: Found, track: Track): Sighting {
  return { box: found.box, score: found.neighbors, by: "cascade", trackId: track.id, angle: found.angle };
}

function meanOf(cells: Uint8Array): number {
  return Math.round(cells.reduce((sum, level) => sum + level, 0) / cells.length);
}
