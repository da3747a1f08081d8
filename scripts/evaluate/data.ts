import { type Dataset, SPLITS, type Split } from "../train/data/dataset.js";
import { readFer2013 } from "../train/data/fer2013.js";
import { readFerPlus, withVotes } from "../train/data/ferplus.js";
import { EmptySplitError } from "../train/data/load.js";

/**
 * One split of FER-2013, with FER+ votes if their file is given.
 *
 * @throws EmptySplitError when the file has no row of the split; the message says which it has.
 */
export async function readSplit(file: string, split: Split, ferplus: string | undefined): Promise<Dataset> {
  const sets = await readFer2013(file);
  const dataset = sets.get(split);
  if (dataset === undefined || dataset.count === 0) {
    const has = SPLITS.map((name) => `${name} ${sets.get(name)?.count ?? 0}`).join(", ");
    throw new EmptySplitError(
      `${file} has no rows with Usage ${split} (rows: ${has}); give the whole fer2013.csv, or another --split`,
    );
  }
  return ferplus === undefined ? dataset : withVotes(dataset, await readFerPlus(ferplus));
}
