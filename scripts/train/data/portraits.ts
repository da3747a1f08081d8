import { statSync } from "node:fs";
import { EMOTION_COUNT } from "../../../src/base/labels.js";
import { DataPathError, EmptySplitError } from "./data-error.js";
import { type Dataset, select, type Votes } from "./dataset.js";
import { readImageFolder } from "./folder.js";
import type { Source } from "./load.js";
import { isKeptApart, personOf } from "./people.js";

/** One person's word about a face, in votes of a hundred: it is no majority of ten. */
const SURE = { common: 94, rare: 82 } as const;
/** A label with less than this share of the pictures of the commonest one is rare: more of its pictures are doubtful. */
const RARE = 0.2;
/** How often an epoch shows a rare label's pictures at the most: more of the same faces is learning them by heart. */
const MOST_TIMES = 6;

export interface Portraits {
  readonly training: Dataset;
  /** Of the people who are kept apart. */
  readonly keptApart: Dataset;
  readonly unreadable: readonly string[];
}

/**
 * Reads a folder of faces as people see them, `train/<label>/*`. Some of the people are kept apart, to choose by; the
 * others' labels become votes that leave room for doubt, and rare labels are shown more often: by the square root of
 * what they lack.
 */
export function readPortraits({ path, times }: Source): Portraits {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw new DataPathError(`--data ${path}: after the first, --data is a folder with train/<label>/`);
  }
  const { sets, files, unreadable } = readImageFolder(path);
  const all = sets.get("Training");
  const names = files.get("Training") ?? [];
  if (all === undefined || all.count === 0)
    throw new EmptySplitError(`${path} has no pictures in train/<label>/`);
  const rows = names.map((_, row) => row);
  const apart = names.map((file) => isKeptApart(personOf(file)));
  const learnt = select(
    all,
    rows.filter((row) => apart[row] === false),
  );
  const counts = countsOf(learnt);
  const most = Math.max(...counts);
  const count = (label: number) => counts[label] as number;
  const votes = votesOf(learnt, (label) => (count(label) < RARE * most ? SURE.rare : SURE.common));
  const shown = Float32Array.from(
    learnt.labels,
    (label) => times * Math.min(MOST_TIMES, Math.sqrt(most / count(label))),
  );
  return {
    training: { ...learnt, votes, times: shown },
    keptApart: select(
      all,
      rows.filter((row) => apart[row] === true),
    ),
    unreadable,
  };
}

function countsOf({ labels }: Dataset): number[] {
  const counts = new Array<number>(EMOTION_COUNT).fill(0);
  for (const label of labels) counts[label] = (counts[label] as number) + 1;
  return counts;
}

/** A hundred votes a face: so many for its label, the rest for the others alike. */
function votesOf({ count, labels }: Dataset, sure: (label: number) => number): Votes {
  const counts = new Uint8Array(count * EMOTION_COUNT);
  labels.forEach((label, row) => {
    const own = sure(label);
    counts.fill((100 - own) / (EMOTION_COUNT - 1), row * EMOTION_COUNT, (row + 1) * EMOTION_COUNT);
    counts[row * EMOTION_COUNT + label] = own;
  });
  return { counts, totals: new Uint8Array(count).fill(100) };
}
