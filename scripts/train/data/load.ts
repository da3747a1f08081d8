import { statSync } from "node:fs";
import { DataPathError, EmptySplitError } from "./data-error.js";
import { type Dataset, joined, type Split } from "./dataset.js";
import { withoutDuplicates } from "./duplicates.js";
import { readFer2013 } from "./fer2013.js";
import { readFerPlus, withVotes } from "./ferplus.js";
import { readImageFolder } from "./folder.js";
import { readPortraits } from "./portraits.js";

export { DataPathError, EmptySplitError };

/** A file or folder of faces, and how often an epoch shows each of its pictures. */
export interface Source {
  readonly path: string;
  readonly times: number;
}

export interface TrainingData {
  readonly training: Dataset;
  readonly evaluation: Dataset;
  /** Faces of the folders' people who are kept apart, labelled as they are seen; without folders there are none. */
  readonly people: Dataset | undefined;
  /** How many of `training`'s rows, the first ones, are FER-2013's. */
  readonly ferRows: number;
  /** Training rows left out because a row of PublicTest or PrivateTest has the same pixels. */
  readonly removed: number;
  /** Rows of PrivateTest that were at hand for that: none of them is used for anything else. */
  readonly privateRows: number;
  /** Files that are no images, and were left out. */
  readonly unreadable: readonly string[];
}

async function readSets(
  data: string,
): Promise<{ sets: ReadonlyMap<Split, Dataset>; unreadable: readonly string[] }> {
  const stats = statSync(data, { throwIfNoEntry: false });
  if (stats === undefined) {
    throw new DataPathError(
      `there is no ${data}; --data is Kaggle's fer2013.csv (plain or .gz), or a folder with train/ and test/`,
    );
  }
  return stats.isDirectory() ? readImageFolder(data) : { sets: await readFer2013(data), unreadable: [] };
}

/**
 * Reads the training and PublicTest rows of the first source, with FER+ votes if given, and without copies of any
 * evaluation row; and joins the people of the others to the training rows, but for those who are kept apart.
 *
 * @param repeats how often an epoch shows FER-2013's rows of each label
 */
export async function loadTrainingData(
  [first, ...folders]: readonly [Source, ...Source[]],
  ferplus: string | undefined,
  repeats: readonly number[] = [],
): Promise<TrainingData> {
  const data = first.path;
  if (ferplus !== undefined && isFolder(data)) {
    throw new DataPathError(
      "--ferplus goes with Kaggle's fer2013.csv: its votes are row for row with that file, and a folder of images has another order",
    );
  }
  const { sets, unreadable } = await readSets(data);
  const votes = ferplus === undefined ? null : await readFerPlus(ferplus);
  const get = (split: Split): Dataset => {
    const set = sets.get(split);
    if (set === undefined) throw new EmptySplitError(`${data} has no ${split}`);
    return votes === null || set.count === 0 ? set : withVotes(set, votes);
  };
  const evaluation = get("PublicTest");
  const hidden = get("PrivateTest");
  const { dataset, removed } = withoutDuplicates(get("Training"), [evaluation, hidden]);
  for (const set of [dataset, evaluation]) {
    if (set.count === 0)
      throw new EmptySplitError(`${data} has no rows with Usage ${set.split}, and training needs some`);
  }
  const times = Float32Array.from(dataset.labels, (label) => first.times * (repeats[label] ?? 1));
  const portraits = folders.map(readPortraits);
  const kept = portraits.map(({ keptApart }) => keptApart);
  return {
    training: joined([{ ...dataset, times }, ...portraits.map(({ training }) => training)]),
    evaluation,
    people: kept.length === 0 ? undefined : joined(kept as [Dataset, ...Dataset[]]),
    ferRows: dataset.count,
    removed,
    privateRows: hidden.count,
    unreadable: [...unreadable, ...portraits.flatMap((folder) => folder.unreadable)],
  };
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
