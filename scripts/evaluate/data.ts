import { statSync } from "node:fs";
import { join } from "node:path";
import { DataPathError, EmptySplitError } from "../train/data/data-error.js";
import { type Dataset, SPLITS, type Split } from "../train/data/dataset.js";
import { readFer2013 } from "../train/data/fer2013.js";
import { readFerPlus, withVotes } from "../train/data/ferplus.js";
import { folderNames, readImagePart } from "../train/data/folder.js";
import { unreadableLines } from "../train/data/unreadable.js";

export function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

/**
 * One part of a folder of images: `FOLDER/part/<label>/*`. Files that are no images are left out, and named to `warn`.
 *
 * @throws EmptySplitError when there is no such part, or nothing in it; the message says which there are.
 */
export function readPart(
  folder: string,
  part: string,
  ferplus: string | undefined,
  warn: (line: string) => void,
): Dataset {
  if (ferplus !== undefined) {
    throw new DataPathError(
      "--ferplus goes with Kaggle's fer2013.csv: its votes are row for row with that file",
    );
  }
  const names = folderNames(folder);
  if (!names.includes(part)) {
    throw new EmptySplitError(
      `${folder} has no folder ${part}; --split is one of ${names.join(", ") || "none"}`,
    );
  }
  const { dataset, unreadable } = readImagePart(join(folder, part), "PublicTest");
  for (const line of unreadableLines(unreadable)) warn(line);
  if (dataset.count === 0) throw new EmptySplitError(`${join(folder, part)} has no images in <label>/`);
  return dataset;
}

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
