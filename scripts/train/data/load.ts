import { statSync } from "node:fs";
import type { Dataset, Split } from "./dataset.js";
import { withoutDuplicates } from "./duplicates.js";
import { readFer2013 } from "./fer2013.js";
import { readFerPlus, withVotes } from "./ferplus.js";

export interface TrainingData {
  readonly training: Dataset;
  readonly evaluation: Dataset;
  /** Training rows left out because a row of PublicTest or PrivateTest has the same pixels. */
  readonly removed: number;
  /** Rows of PrivateTest that were at hand for that: none of them is used for anything else. */
  readonly privateRows: number;
}

/** There are no rows of a split that is needed. */
export class EmptySplitError extends Error {
  override readonly name = "EmptySplitError";
}

/** Data cannot be read from there. */
export class DataPathError extends Error {
  override readonly name = "DataPathError";
}

async function readSets(data: string): Promise<Map<Split, Dataset>> {
  const stats = statSync(data, { throwIfNoEntry: false });
  if (stats === undefined) {
    throw new DataPathError(
      `there is no ${data}; --data is Kaggle's fer2013.csv (plain or .gz), or a folder with train/ and test/`,
    );
  }
  if (!stats.isDirectory()) return readFer2013(data);
  // Decoding images takes TensorFlow, which a CSV file does not.
  const { readImageFolder } = await import("./folder.js");
  return readImageFolder(data);
}

/** Reads the training and PublicTest rows, with FER+ votes if given, and without copies of any evaluation row. */
export async function loadTrainingData(data: string, ferplus: string | undefined): Promise<TrainingData> {
  if (ferplus !== undefined && statSync(data, { throwIfNoEntry: false })?.isDirectory() === true) {
    throw new DataPathError(
      "--ferplus goes with Kaggle's fer2013.csv: its votes are row for row with that file, and a folder of images has another order",
    );
  }
  const sets = await readSets(data);
  const votes = ferplus === undefined ? null : await readFerPlus(ferplus);
  const get = (split: Split): Dataset => {
    const set = sets.get(split);
    if (set === undefined) throw new EmptySplitError(`${data} has no ${split}`);
    return votes === null || set.count === 0 ? set : withVotes(set, votes);
  };
  const evaluation = get("PublicTest");
  const hidden = get("PrivateTest");
  const { dataset: training, removed } = withoutDuplicates(get("Training"), [evaluation, hidden]);
  for (const set of [training, evaluation]) {
    if (set.count === 0)
      throw new EmptySplitError(`${data} has no rows with Usage ${set.split}, and training needs some`);
  }
  return { training, evaluation, removed, privateRows: hidden.count };
}
