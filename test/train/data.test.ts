import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, describe, expect, test } from "vitest";
import { BadDataError, type Dataset, majority, PICTURE_PIXELS } from "../../scripts/train/data/dataset.js";
import { withoutDuplicates } from "../../scripts/train/data/duplicates.js";
import { readFer2013 } from "../../scripts/train/data/fer2013.js";
import { FerPlusMismatchError, readFerPlus, withVotes } from "../../scripts/train/data/ferplus.js";
import { loadTrainingData } from "../../scripts/train/data/load.js";
import { FERPLUS_HEADER, HEADER, syntheticRows } from "./synthetic.js";

const folder = mkdtempSync(join(tmpdir(), "emotiond-data-"));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, lines: readonly string[]): string {
  const path = join(folder, name);
  const text = `${lines.join("\n")}\n`;
  writeFileSync(path, name.endsWith(".gz") ? gzipSync(text) : text);
  return path;
}

async function set(path: string, split: "Training" | "PublicTest" | "PrivateTest"): Promise<Dataset> {
  const found = (await readFer2013(path)).get(split);
  if (found === undefined) throw new Error(`no ${split}`);
  return found;
}

const training = syntheticRows("Training", 9, 1);
const publicTest = syntheticRows("PublicTest", 4, 2);

async function badRows(path: string): Promise<readonly { line: number | null; reason: string }[]> {
  const error: unknown = await readFer2013(path).catch((reason: unknown) => reason);
  if (!(error instanceof BadDataError)) throw new Error("was accepted");
  expect(error.message).toContain(`${path}:${error.rows[0]?.line}`);
  return error.rows;
}

describe("fer2013.csv", () => {
  test("is read plain, zipped, with Windows line ends and without a last line end", async () => {
    const lines = [HEADER, ...training, ...publicTest];
    const plain = await set(file("plain.csv", lines), "Training");
    expect(plain.count).toBe(9);
    expect([...plain.labels]).toEqual([0, 1, 2, 3, 4, 5, 6, 0, 1]);
    const first = (training[0] ?? "").split(",")[1]?.split(" ").map(Number) ?? [];
    expect([...plain.pixels.subarray(0, PICTURE_PIXELS)]).toEqual(first);
    expect(await set(file("zipped.csv.gz", lines), "Training")).toEqual(plain);
    const windows = join(folder, "windows.csv");
    writeFileSync(windows, lines.join("\r\n"));
    expect(await set(windows, "Training")).toEqual(plain);
    expect((await set(windows, "PublicTest")).count).toBe(4);
    expect((await set(windows, "PrivateTest")).count).toBe(0);
  });

  test("with bad rows is refused, and each is named with its line", async () => {
    const [good = ""] = training;
    const [, pixels = ""] = good.split(",");
    const rows = await badRows(
      file("bad.csv", [
        HEADER,
        good,
        `7,${pixels},Training`,
        `0,${pixels} 12,Training`,
        `0,${pixels.replace(/^\d+ /, "")},Training`,
        `0,${pixels.replace(/^\d+ /, "256 ")},Training`,
        `0,${pixels.replace(/^\d+ /, "x ")},Training`,
        `0,${pixels},Test`,
        "nothing",
      ]),
    );
    expect(rows.map(({ line }) => line)).toEqual([3, 4, 5, 6, 7, 8, 9]);
    expect(rows.map(({ reason }) => reason)).toEqual([
      "label 7 is not 0 to 6",
      "has 2305 pixels, not 2304",
      "has 2303 pixels, not 2304",
      "pixel 1 is 256, not 0 to 255",
      "pixel 1 is no number",
      "usage Test is not Training, PublicTest, PrivateTest",
      "is not `emotion,pixels,Usage`",
    ]);
  });

  test("that is missing fails, zipped too", async () => {
    await expect(readFer2013(join(folder, "none.csv"))).rejects.toThrow(/ENOENT/);
    await expect(readFer2013(join(folder, "none.csv.gz"))).rejects.toThrow(/ENOENT/);
    await expect(loadTrainingData([{ path: join(folder, "none.csv"), times: 1 }], undefined)).rejects.toThrow(
      /there is no .*none\.csv/,
    );
  });

  test("without rows to choose on is refused", async () => {
    const only = file("only.csv", [HEADER, ...training]);
    await expect(loadTrainingData([{ path: only, times: 1 }], undefined)).rejects.toThrow(
      /no rows with Usage PublicTest/,
    );
  });
});

describe("training rows", () => {
  test("that are pixel-identical to a PublicTest or PrivateTest row are left out, and counted", async () => {
    const copy = (row: string, usage: string) => row.replace(/Training$/, usage);
    const path = file("copies.csv", [
      HEADER,
      ...training,
      ...publicTest,
      copy(training[2] ?? "", "PublicTest"),
      copy(training[5] ?? "", "PrivateTest").replace(/^5/, "1"),
    ]);
    const data = await loadTrainingData([{ path, times: 1 }], undefined);
    expect(data.removed).toBe(2);
    expect(data.training.count).toBe(7);
    expect([...data.training.labels]).toEqual([0, 1, 3, 4, 6, 0, 1]);
    expect(data.evaluation.count).toBe(5);
  });

  test("keep their own votes when others are left out", async () => {
    const set: Dataset = {
      split: "Training",
      count: 2,
      pixels: new Uint8Array(2 * PICTURE_PIXELS).fill(9, PICTURE_PIXELS),
      labels: Uint8Array.of(1, 2),
      votes: { counts: Uint8Array.from({ length: 14 }, (_, i) => i), totals: Uint8Array.of(10, 11) },
    };
    const evaluation: Dataset = {
      ...set,
      split: "PublicTest",
      count: 1,
      labels: Uint8Array.of(0),
      votes: null,
    };
    const { dataset, removed } = withoutDuplicates(set, [evaluation]);
    expect(removed).toBe(1);
    expect([...dataset.labels]).toEqual([2]);
    expect([...(dataset.votes?.counts ?? [])]).toEqual([7, 8, 9, 10, 11, 12, 13]);
    expect([...(dataset.votes?.totals ?? [])]).toEqual([11]);
  });
});

describe("FER+ votes", () => {
  const votes = (usage: string, counts: string) => `${usage},x.png,${counts}`;

  test("go to the rows of their split, in our order of labels", async () => {
    const path = file("votes.csv", [
      FERPLUS_HEADER,
      votes("Training", "1,2,0,3,4,0,0,0,0,0"),
      votes("PublicTest", "0,0,0,0,0,6,0,1,2,1"),
    ]);
    const all = await readFerPlus(path);
    // angry disgust fear happy sad surprise neutral
    expect([...(all.get("Training")?.counts ?? [])]).toEqual([4, 0, 0, 2, 3, 0, 1]);
    expect([...(all.get("PublicTest")?.totals ?? [])]).toEqual([10]);
    const one = await set(file("one.csv", [HEADER, ...training.slice(0, 1)]), "Training");
    expect(withVotes(one, all).votes?.totals).toEqual(Uint8Array.of(10));
  });

  test("of another number of rows are refused: they are other pictures'", async () => {
    const path = file("few.csv", [FERPLUS_HEADER, votes("Training", "1,2,0,3,4,0,0,0,0,0")]);
    const all = await readFerPlus(path);
    const two = await set(file("two.csv", [HEADER, ...training.slice(0, 2)]), "Training");
    expect(() => withVotes(two, all)).toThrow(FerPlusMismatchError);
  });

  test("that are no numbers are refused with their line", async () => {
    const path = file("words.csv", [
      FERPLUS_HEADER,
      votes("Training", "1,2,0,3,4,0,0,0,0,0"),
      votes("Training", "a,2,0,3,4,0,0,0,0,0"),
    ]);
    await expect(readFerPlus(path)).rejects.toThrow(/words\.csv:3: a vote is no number/);
    await expect(readFerPlus(file("header.csv", ["a,b,c"]))).rejects.toThrow(/is no FER\+ header/);
  });

  test("have a majority when more than half agree on one of the seven", () => {
    const counts = Uint8Array.from([6, 0, 0, 4, 0, 0, 0, 5, 0, 0, 5, 0, 0, 0]);
    expect(majority({ counts, totals: Uint8Array.of(10, 10) }, 0)).toBe(0);
    expect(majority({ counts, totals: Uint8Array.of(10, 10) }, 1)).toBeNull();
    // Half of the raters saw no face: the six are no majority of 12.
    expect(majority({ counts, totals: Uint8Array.of(12, 10) }, 0)).toBeNull();
  });
});
