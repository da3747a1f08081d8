import { EMOTION_COUNT } from "../../../src/base/labels.js";

/** FER-2013's parts, by the names in its `Usage` column. */
export const SPLITS = ["Training", "PublicTest", "PrivateTest"] as const;
export type Split = (typeof SPLITS)[number];

/** Side of a FER-2013 picture in pixels. */
export const PICTURE_SIZE = 48;
export const PICTURE_PIXELS = PICTURE_SIZE * PICTURE_SIZE;

/** Grey pictures of one split with their labels, and FER+ votes where there are any. */
export interface Dataset {
  readonly split: Split;
  readonly count: number;
  /** `count` × 48 × 48, 0 to 255, row by row. */
  readonly pixels: Uint8Array;
  /** Index into EMOTION_LABELS. */
  readonly labels: Uint8Array;
  readonly votes: Votes | null;
  /** How often an epoch shows each picture, a part of once being a chance; once each where there is nothing. */
  readonly times?: Float32Array;
}

/** FER+: what ten raters saw in each picture. */
export interface Votes {
  /** `count` × 7: votes for our seven, in EMOTION_LABELS' order. */
  readonly counts: Uint8Array;
  /** Votes in all, contempt, unknown and not-a-face among them. */
  readonly totals: Uint8Array;
}

/** A row that cannot be used, with where it is and why. */
export interface BadRow {
  readonly file: string;
  /** 1 is the first line; null where a whole file is bad. */
  readonly line: number | null;
  readonly reason: string;
}

/** Some rows are unusable; the message lists them. */
export class BadDataError extends Error {
  override readonly name = "BadDataError";

  constructor(readonly rows: readonly BadRow[]) {
    const shown = rows
      .slice(0, 20)
      .map(({ file, line, reason }) => `${file}${line === null ? "" : `:${line}`}: ${reason}`);
    const more = rows.length > shown.length ? [`… and ${rows.length - shown.length} more`] : [];
    super(
      [
        `${rows.length} bad ${rows.length === 1 ? "row" : "rows"}; correct or remove them:`,
        ...shown,
        ...more,
      ].join("\n"),
    );
  }
}

/** The rows of `dataset` at `indices`, in that order. */
export function select(dataset: Dataset, indices: readonly number[]): Dataset {
  const pixels = new Uint8Array(indices.length * PICTURE_PIXELS);
  const labels = new Uint8Array(indices.length);
  const counts = new Uint8Array(indices.length * EMOTION_COUNT);
  const totals = new Uint8Array(indices.length);
  indices.forEach((from, to) => {
    pixels.set(
      dataset.pixels.subarray(from * PICTURE_PIXELS, (from + 1) * PICTURE_PIXELS),
      to * PICTURE_PIXELS,
    );
    labels[to] = dataset.labels[from] as number;
    if (dataset.votes === null) return;
    counts.set(
      dataset.votes.counts.subarray(from * EMOTION_COUNT, (from + 1) * EMOTION_COUNT),
      to * EMOTION_COUNT,
    );
    totals[to] = dataset.votes.totals[from] as number;
  });
  const votes = dataset.votes === null ? null : { counts, totals };
  const { split, times } = dataset;
  const chosen = { split, count: indices.length, pixels, labels, votes };
  return times === undefined
    ? chosen
    : { ...chosen, times: Float32Array.from(indices, (row) => times[row] as number) };
}

/** The rows of several sets, one after another; rows of a set without votes have none of nobody. */
export function joined(sets: readonly [Dataset, ...Dataset[]]): Dataset {
  const [first] = sets;
  const bytes = (parts: readonly Uint8Array[]) => Uint8Array.from(Buffer.concat(parts));
  const votes = sets.some((set) => set.votes !== null)
    ? {
        counts: bytes(sets.map((set) => set.votes?.counts ?? new Uint8Array(set.count * EMOTION_COUNT))),
        totals: bytes(sets.map((set) => set.votes?.totals ?? new Uint8Array(set.count))),
      }
    : null;
  return {
    split: first.split,
    count: sets.reduce((sum, { count }) => sum + count, 0),
    pixels: bytes(sets.map(({ pixels }) => pixels)),
    labels: bytes(sets.map(({ labels }) => labels)),
    votes,
    times: Float32Array.from(
      sets.flatMap(({ count, times }) => Array.from(times ?? new Float32Array(count).fill(1))),
    ),
  };
}

/** The same faces as in a mirror. */
export function mirrored(dataset: Dataset): Dataset {
  const pixels = dataset.pixels.slice();
  for (let from = 0; from < pixels.length; from += PICTURE_SIZE)
    pixels.subarray(from, from + PICTURE_SIZE).reverse();
  return { ...dataset, pixels };
}

/**
 * The label that more than half of the raters gave, or null when there is none among the seven: FER+'s "majority".
 */
export function majority(votes: Votes, row: number): number | null {
  for (let label = 0; label < EMOTION_COUNT; label++) {
    if ((votes.counts[row * EMOTION_COUNT + label] as number) * 2 > (votes.totals[row] as number))
      return label;
  }
  return null;
}

/**
 * The label that most raters gave, though it may be fewer than half of them, or null when that is none of the seven, or
 * when two have as many.
 */
export function plurality(votes: Votes, row: number): number | null {
  const counts = Array.from(votes.counts.subarray(row * EMOTION_COUNT, (row + 1) * EMOTION_COUNT));
  const most = Math.max(...counts);
  const others = (votes.totals[row] as number) - counts.reduce((sum, count) => sum + count, 0);
  const label = counts.indexOf(most);
  return most > others && counts.lastIndexOf(most) === label ? label : null;
}
