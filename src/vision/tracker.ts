import { type Box, clamp, intersectionOverUnion } from "../base/box.js";
import { assign, FORBIDDEN } from "./assignment.js";
import { createHoldUps } from "./hold-up.js";
import type { Sighting } from "./sighting.js";

/** A face followed through time. */
export interface Track {
  /** Never used again for another face. */
  readonly id: string;
  /** Smoothed position in pixels of the frame; predicted where `seen` is false. */
  readonly box: Box;
  /** When it was first seen, in milliseconds on the frames' steady clock. */
  readonly since: number;
  /** When it was last seen, by cascade or template. */
  readonly lastSeenAt: number;
  /** When the cascade last found it: what looks like a face, not only like what it was. */
  readonly lastFaceAt: number;
  /** How often the cascade found it. */
  readonly hits: number;
  /** True when the newest frame showed it. */
  readonly seen: boolean;
  /** False until it was found often enough not to be a false alarm. */
  readonly confirmed: boolean;
  /** Of the centre, in pixels a second. */
  readonly velocity: { readonly x: number; readonly y: number };
  /** How far the head is tilted, in degrees, clockwise in the picture; smoothed. */
  readonly angle: number;
}

export interface TrackerSettings {
  /** Milliseconds without a sight that end a track, also when no frame came in them (but see `createHoldUps`). */
  readonly lostAfter: number;
  /** Makes an id that was never given before. */
  readonly newId: () => string;
}

export interface Tracker {
  /** The living tracks, oldest first. */
  readonly tracks: readonly Track[];
  /**
   * Takes the sightings of one frame in.
   *
   * @param sightings one a face (see suppressOverlaps).
   * @param at when the frame was taken, in milliseconds on the frames' steady clock.
   * @returns the living tracks.
   */
  update(sightings: readonly Sighting[], at: number): readonly Track[];
  /** Ends all tracks: the camera is gone, and what comes after may be another scene. */
  clear(): void;
}

/** Cascade hits that make a track a face. */
const CONFIRMING_HITS = 3;
/**
 * A track that is no face yet lives this long without a hit, in milliseconds, and this many frames however seldom
 * they come: each is a chance to look at it.
 */
const UNCONFIRMED_LIFE = 400;
const UNCONFIRMED_FRAMES = 3;
/** A face that only its template keeps alive must look like a face again within this time, in milliseconds. */
const TEMPLATE_LIFE = 4_000;
/** How far a face may be from where it is expected, in face widths, and how much that grows a second unseen. */
const REACH = 0.6;
const REACH_GROWTH = 1.0;
const MAX_REACH = 1.5;
/**
 * Frames are stamped as they arrive, and after a hold-up several arrive at once, each with a whole interval's movement in
 * it: a velocity is never taken over less than the usual interval, or this, in seconds, where that is longer.
 */
const LEAST_INTERVAL = 1 / 30;
const INTERVAL_GAIN = 0.05;
/** What only the tracker knows of a track. */
interface Followed extends Track {
  /** Frames since the cascade last found it. */
  readonly misses: number;
}

/** Natural logarithm of the largest believable change in size between sights. */
const MAX_SIZE_CHANGE = Math.log(1.7);
/** Share of a new measurement in position, size and velocity (an alpha-beta filter). */
const POSITION_GAIN = 0.7;
const SIZE_GAIN = 0.35;
const VELOCITY_GAIN = 0.35;
/** Of a new tilt: the cascade forgives ten degrees, so that one look's tilt says little. */
const ANGLE_GAIN = 0.5;
/** Velocity of an unseen face halves in this time, in milliseconds: people who vanish seldom keep their pace. */
const VELOCITY_HALF_LIFE = 300;

/** Follows faces: ids never repeat and stay with their person when two pass each other. Pure but for its state. */
export function createTracker(settings: TrackerSettings): Tracker {
  let tracks: readonly Followed[] = [];
  let previousAt = Number.NEGATIVE_INFINITY;
  /** Seconds between frames, averaged. */
  let usualInterval = LEAST_INTERVAL;
  const holdUps = createHoldUps();

  function update(sightings: readonly Sighting[], at: number): readonly Track[] {
    // Who is where a face was before may be somebody else: nobody has looked for as long as ends a face.
    if (holdUps.after(at, settings.lostAfter)) tracks = [];
    const elapsed = Number.isFinite(previousAt) ? clamp((at - previousAt) / 1000, 0, 1) : 0;
    previousAt = at;
    usualInterval += INTERVAL_GAIN * (elapsed - usualInterval);
    const expected = tracks.map((track) => predict(track, elapsed));
    const pairing = assign(expected.map((track) => sightings.map((sighting) => cost(track, sighting, at))));
    const taken = new Set<number>();
    const followed = expected.map((track, index) => {
      const column = pairing[index] ?? -1;
      const sighting = sightings[column];
      if (sighting === undefined) return missed(track, elapsed);
      taken.add(column);
      return correct(track, sighting, at, Math.max(elapsed, Math.min(LEAST_INTERVAL, usualInterval)));
    });
    const begun = sightings
      .filter((sighting, index) => !taken.has(index) && sighting.by === "cascade")
      .filter((sighting) => !followed.some((track) => track.seen && isCrowded(track.box, sighting.box)))
      .map((sighting) => begin(sighting, at));
    tracks = [...followed.filter((track) => lives(track, at)), ...begun];
    return tracks;
  }

  function begin(sighting: Sighting, at: number): Followed {
    return {
      id: settings.newId(),
      box: sighting.box,
      since: at,
      lastSeenAt: at,
      lastFaceAt: at,
      hits: Math.min(sighting.looks ?? 1, CONFIRMING_HITS - 1),
      misses: 0,
      seen: true,
      // A glimpse in one frame is no face, whoever agrees on it.
      confirmed: false,
      velocity: { x: 0, y: 0 },
      angle: sighting.angle ?? 0,
    };
  }

  function lives(track: Followed, at: number): boolean {
    if (!track.confirmed) {
      if (track.misses < UNCONFIRMED_FRAMES) return true;
      return at - track.lastFaceAt <= Math.min(UNCONFIRMED_LIFE, settings.lostAfter);
    }
    if (at - track.lastSeenAt > settings.lostAfter) return false;
    return at - track.lastFaceAt <= Math.max(TEMPLATE_LIFE, settings.lostAfter);
  }

  return {
    get tracks() {
      return tracks;
    },
    update,
    clear() {
      tracks = [];
      previousAt = Number.NEGATIVE_INFINITY;
      holdUps.reset();
    },
  };
}

function predict(track: Followed, elapsed: number): Followed {
  return {
    ...track,
    box: {
      ...track.box,
      x: track.box.x + track.velocity.x * elapsed,
      y: track.box.y + track.velocity.y * elapsed,
    },
  };
}

function missed(track: Followed, elapsed: number): Followed {
  const damping = 0.5 ** ((elapsed * 1000) / VELOCITY_HALF_LIFE);
  return {
    ...track,
    misses: track.misses + 1,
    seen: false,
    velocity: { x: track.velocity.x * damping, y: track.velocity.y * damping },
  };
}

/** @param least seconds, at least, in which the face came to where it is. */
function correct(track: Followed, sighting: Sighting, at: number, least: number): Followed {
  const expected = centre(track.box);
  const found = centre(sighting.box);
  const error = { x: found.x - expected.x, y: found.y - expected.y };
  const width = track.box.width + SIZE_GAIN * (sighting.box.width - track.box.width);
  const height = track.box.height + SIZE_GAIN * (sighting.box.height - track.box.height);
  const x = expected.x + POSITION_GAIN * error.x;
  const y = expected.y + POSITION_GAIN * error.y;
  // Over the time since the last sight, not the last frame: a face found again did not jump in one frame.
  const interval = Math.max(least, (at - track.lastSeenAt) / 1000);
  const gain = VELOCITY_GAIN / interval;
  const hits = track.hits + (sighting.by === "cascade" ? 1 : 0);
  return {
    ...track,
    box: { x: x - width / 2, y: y - height / 2, width, height },
    lastSeenAt: Math.max(at, track.lastSeenAt),
    lastFaceAt: sighting.by === "cascade" ? Math.max(at, track.lastFaceAt) : track.lastFaceAt,
    hits,
    misses: sighting.by === "cascade" ? 0 : track.misses + 1,
    seen: true,
    confirmed: track.confirmed || hits >= CONFIRMING_HITS,
    velocity: { x: track.velocity.x + gain * error.x, y: track.velocity.y + gain * error.y },
    angle: track.angle + ANGLE_GAIN * ((sighting.angle ?? track.angle) - track.angle),
  };
}

/** Distance of centres in face widths plus the logarithm of the size ratio, or FORBIDDEN out of reach. */
function cost(track: Track, sighting: Sighting, at: number): number {
  // A template's match is of one track's own looks.
  if (sighting.trackId !== null && sighting.trackId !== track.id && sighting.by === "template")
    return FORBIDDEN;
  const size = (track.box.width + sighting.box.width) / 2;
  const expected = centre(track.box);
  const found = centre(sighting.box);
  const distance = Math.hypot(found.x - expected.x, found.y - expected.y) / size;
  const sizeChange = Math.abs(Math.log(sighting.box.width / track.box.width));
  const unseen = Math.max(0, at - track.lastSeenAt) / 1000;
  if (distance > Math.min(MAX_REACH, REACH + REACH_GROWTH * unseen) || sizeChange > MAX_SIZE_CHANGE)
    return FORBIDDEN;
  // A confirmed face goes before a guess for the same sighting.
  return distance + 0.5 * sizeChange + (track.confirmed ? 0 : 0.3);
}

/** Two faces in view cannot cover each other by this much. */
function isCrowded(a: Box, b: Box): boolean {
  return intersectionOverUnion(a, b) > 0.25;
}

function centre(box: Box): { x: number; y: number } {
  return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
}
