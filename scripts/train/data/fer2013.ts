import { EMOTION_COUNT } from "../../../src/base/labels.js";
import { BadDataError, type BadRow, type Dataset, PICTURE_PIXELS, SPLITS, type Split } from "./dataset.js";
import { lines } from "./lines.js";

const COLUMNS = "emotion,pixels,Usage";

const COMMA = 44;
const SPACE = 32;
const ZERO = 48;
const NINE = 57;
const QUOTE = 34;

/**
 * Reads Kaggle's fer2013.csv (`emotion,pixels,Usage`; a `.gz` is unzipped on the way).
 *
 * @throws BadDataError with every bad row: a label that is not 0 to 6, a picture that is not 48 × 48 numbers from 0
 *   to 255, an unknown usage.
 */
export async function readFer2013(file: string): Promise<Map<Split, Dataset>> {
  const bad: BadRow[] = [];
  const pictures = new Map<Split, Uint8Array[]>(SPLITS.map((split) => [split, []]));
  const labels = new Map<Split, number[]>(SPLITS.map((split) => [split, []]));
  for await (const line of lines(file)) {
    if (line.number === 1 && isHeader(line.bytes)) {
      const columns = line.bytes.toString("latin1").replace(/["\s]/g, "");
      if (columns.toLowerCase() === COLUMNS.toLowerCase()) continue;
      const reason = `has the columns ${columns}; Kaggle's fer2013.csv has ${COLUMNS}`;
      throw new BadDataError([{ file, line: 1, reason }]);
    }
    const row = parseRow(line.bytes);
    if (typeof row === "string") {
      bad.push({ file, line: line.number, reason: row });
    } else {
      pictures.get(row.split)?.push(row.picture);
      labels.get(row.split)?.push(row.label);
    }
  }
  if (bad.length > 0) throw new BadDataError(bad);
  return new Map(
    SPLITS.map((split) => {
      const list = pictures.get(split) ?? [];
      const pixels = new Uint8Array(list.length * PICTURE_PIXELS);
      list.forEach((picture, row) => {
        pixels.set(picture, row * PICTURE_PIXELS);
      });
      return [
        split,
        { split, count: list.length, pixels, labels: Uint8Array.from(labels.get(split) ?? []), votes: null },
      ];
    }),
  );
}

function isHeader(bytes: Buffer): boolean {
  return /[a-z]/i.test(bytes.toString("latin1", 0, 1)) || bytes[0] === QUOTE;
}

interface Row {
  readonly label: number;
  readonly picture: Uint8Array;
  readonly split: Split;
}

function parseRow(bytes: Buffer): Row | string {
  const first = bytes.indexOf(COMMA);
  const last = bytes.lastIndexOf(COMMA);
  if (first < 0 || last === first) return "is not `emotion,pixels,Usage`";
  const labelText = bytes.toString("latin1", 0, first);
  if (!/^\d$/.test(labelText) || Number(labelText) >= EMOTION_COUNT)
    return `label ${labelText} is not 0 to 6`;
  const usage = bytes.toString("latin1", last + 1);
  const split = SPLITS.find((name) => name === usage);
  if (split === undefined) return `usage ${usage.slice(0, 40)} is not ${SPLITS.join(", ")}`;
  const picture = new Uint8Array(PICTURE_PIXELS);
  let count = 0;
  let value = -1;
  for (let i = first + 1; i <= last; i++) {
    const byte = bytes[i] as number;
    if (byte >= ZERO && byte <= NINE) {
      value = (value < 0 ? 0 : value * 10) + byte - ZERO;
    } else if (byte === SPACE || byte === COMMA || byte === QUOTE) {
      if (value < 0) continue;
      if (value > 255) return `pixel ${count + 1} is ${value}, not 0 to 255`;
      if (count < PICTURE_PIXELS) picture[count] = value;
      count++;
      value = -1;
    } else {
      return `pixel ${count + 1} is no number`;
    }
  }
  if (count !== PICTURE_PIXELS) return `has ${count} pixels, not ${PICTURE_PIXELS}`;
  return { label: Number(labelText), picture, split };
}
