/** Which cascade a look asks, and how the patch is turned before. */
export interface Look {
  /** `main` is the configured cascade, `second` another frontal one, `left` and `right` are profiles. */
  readonly by: "main" | "second" | "left" | "right";
  /** Added to the tilt that the track remembers, in degrees. */
  readonly turn: number;
}

/** Where a face is looked for that the main cascade does not see as it was last; the likeliest come soonest. */
const SEARCH: readonly Look[] = [
  { by: "main", turn: 0 },
  { by: "second", turn: 0 },
  { by: "main", turn: -15 },
  { by: "main", turn: 15 },
  { by: "left", turn: 0 },
  { by: "right", turn: 0 },
  { by: "second", turn: -15 },
  { by: "second", turn: 15 },
  { by: "main", turn: -30 },
  { by: "main", turn: 30 },
  { by: "left", turn: -15 },
  { by: "right", turn: -15 },
  { by: "left", turn: 15 },
  { by: "right", turn: 15 },
  { by: "main", turn: -45 },
  { by: "main", turn: 45 },
];

/** Where a guess is looked for. */
const CONFIRM: readonly Look[] = [
  { by: "second", turn: 0 },
  { by: "main", turn: 0 },
  { by: "second", turn: -15 },
  { by: "second", turn: 15 },
  { by: "main", turn: -15 },
  { by: "main", turn: 15 },
  { by: "left", turn: 0 },
  { by: "right", turn: 0 },
];

/** All looks at what a scan came upon; of a profile its own first. */
export function confirmingLooks(by: Look["by"]): readonly Look[] {
  return [...CONFIRM].sort((a, b) => profileFirst(b, by) - profileFirst(a, by));
}

function profileFirst(look: Look, by: Look["by"]): number {
  return look.by === by && (by === "left" || by === "right") ? 1 : 0;
}

/**
 * The looks of one frame at a face that was missed: a bounded number, going round, so that a lost face costs each
 * frame the same and every look comes within a few frames.
 *
 * @param cursor how many looks this face was given since it was last seen.
 * @param count of looks that this frame can afford.
 */
export function searchLooks(cursor: number, count: number): readonly Look[] {
  return round(SEARCH, cursor, count);
}

/** The looks of one frame at what may be a face and was seen only once or twice. */
export function confirmLooks(cursor: number, count: number): readonly Look[] {
  return round(CONFIRM, cursor, count);
}

function round<T>(list: readonly T[], cursor: number, count: number): T[] {
  return Array.from({ length: Math.min(count, list.length) }, (_, index) => {
    return list[(cursor + index) % list.length] as T;
  });
}

/** The tilts tried beside a face that is seen, one a look, to follow a head that tilts. */
const FOLLOW: readonly Look[] = [
  { by: "main", turn: -15 },
  { by: "main", turn: 15 },
];

/** @param count of looks that this track was given. */
export function followLook(count: number): Look {
  return FOLLOW[count % FOLLOW.length] as Look;
}
