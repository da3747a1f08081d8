import { EMOTION_COUNT, EMOTION_LABELS, type EmotionLabel } from "../../../src/base/labels.js";
import { BadDataError, type BadRow, type Dataset, SPLITS, type Split, type Votes } from "./dataset.js";
import { lines } from "./lines.js";

const COLUMNS: Readonly<Record<EmotionLabel, string>> = {
  angry: "anger",
  disgust: "disgust",
  fear: "fear",
  happy: "happiness",
  sad: "sadness",
  surprise: "surprise",
  neutral: "neutral",
};
const OTHER_COLUMNS = ["contempt", "unknown", "NF"];

/** The FER+ file does not belong to this FER-2013 file. */
export class FerPlusMismatchError extends Error {
  override readonly name = "FerPlusMismatchError";
}

/**
 * Reads Microsoft's fer2013new.csv: ten raters' votes, row for row with fer2013.csv inside each `Usage`.
 *
 * @throws BadDataError for rows that are no vote counts.
 */
export async function readFerPlus(file: string): Promise<Map<Split, Votes>> {
  const rows = new Map<Split, { seven: number[]; total: number }[]>(SPLITS.map((split) => [split, []]));
  const bad: BadRow[] = [];
  let header: string[] | undefined;
  for await (const line of lines(file)) {
    const cells = line.bytes.toString("latin1").split(",");
    if (header === undefined) {
      header = cells;
      const missing = [...Object.values(COLUMNS), ...OTHER_COLUMNS, "Usage"].filter(
        (name) => !cells.includes(name),
      );
      if (missing.length > 0) {
        throw new BadDataError([
          { file, line: line.number, reason: `is no FER+ header: no ${missing.join(", ")}` },
        ]);
      }
      continue;
    }
    const names = header;
    const cell = (name: string) => cells[names.indexOf(name)] ?? "";
    const vote = (name: string) => (/^\d{1,3}$/.test(cell(name)) ? Number(cell(name)) : Number.NaN);
    const seven = EMOTION_LABELS.map((label) => vote(COLUMNS[label]));
    const total = [...seven, ...OTHER_COLUMNS.map(vote)].reduce((sum, count) => sum + count, 0);
    const split = SPLITS.find((name) => name === cell("Usage"));
    if (split === undefined)
      bad.push({ file, line: line.number, reason: `usage ${cell("Usage")} is unknown` });
    else if (Number.isNaN(total)) bad.push({ file, line: line.number, reason: "a vote is no number" });
    else rows.get(split)?.push({ seven, total });
  }
  if (bad.length > 0) throw new BadDataError(bad);
  return new Map(
    SPLITS.map((split) => {
      const list = rows.get(split) ?? [];
      const counts = new Uint8Array(list.length * EMOTION_COUNT);
      list.forEach(({ seven }, row) => {
        counts.set(seven, row * EMOTION_COUNT);
      });
      return [split, { counts, totals: Uint8Array.from(list, ({ total }) => total) }];
    }),
  );
}

/**
 * Puts the votes of its split beside a dataset.
 *
 * @throws FerPlusMismatchError when the numbers of rows differ: then the votes are other pictures'.
 */
export function withVotes(dataset: Dataset, votes: ReadonlyMap<Split, Votes>): Dataset {
  const own = votes.get(dataset.split);
  if (own === undefined || own.totals.length !== dataset.count) {
    throw new FerPlusMismatchError(
      `FER+ has ${own?.totals.length ?? 0} rows of ${dataset.split}, FER-2013 ${dataset.count}: they are not the same set`,
    );
  }
  return { ...dataset, votes: own };
}
