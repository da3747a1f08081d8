import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { BadDataError, PICTURE_PIXELS } from "../../scripts/train/data/dataset.js";
import { readImageFolder } from "../../scripts/train/data/folder.js";
import { loadTrainingData } from "../../scripts/train/data/load.js";
import { isKeptApart, personOf } from "../../scripts/train/data/people.js";
import { readPortraits } from "../../scripts/train/data/portraits.js";
import { unreadableLines } from "../../scripts/train/data/unreadable.js";
import { cv } from "../../src/base/opencv.js";
import { HEADER, syntheticRows } from "./synthetic.js";

const root = mkdtempSync(join(tmpdir(), "emotiond-images-"));
afterAll(() => rmSync(root, { recursive: true }));

function image(path: string, grey: number, side = 48): void {
  mkdirSync(join(root, path, ".."), { recursive: true });
  const mat = new cv.Mat(side, side, cv.CV_8UC1, grey);
  cv.imwrite(join(root, path), mat);
  mat.release();
}

/** The rows that a reader refuses; none when it takes them all. */
function refusedBy(read: () => unknown): readonly { file: string; reason: string }[] {
  try {
    read();
    return [];
  } catch (error) {
    if (!(error instanceof BadDataError)) throw error;
    return error.rows;
  }
}

describe("a folder of images", () => {
  test("is read by label, PNG and JPEG, whatever the copy calls its folders", () => {
    image("good/train/angry/2.png", 20);
    image("good/train/angry/1.png", 10);
    image("good/train/surprise/a.jpg", 200);
    image("good/test/Disgusted/a.png", 90);
    const { sets } = readImageFolder(join(root, "good"));
    const training = sets.get("Training");
    expect(training?.count).toBe(3);
    expect([...(training?.labels ?? [])]).toEqual([0, 0, 5]);
    expect([0, 2304, 2 * 2304].map((at) => training?.pixels[at])).toEqual([10, 20, 200]);
    expect([...(sets.get("PublicTest")?.labels ?? [])]).toEqual([1]);
    expect(sets.get("PrivateTest")?.count).toBe(0);
  });

  test("keeps a test folder beside a validation folder apart: it is PrivateTest then", () => {
    for (const [part, grey] of [
      ["Training", 1],
      ["val", 2],
      ["test", 3],
    ] as const)
      image(`three/${part}/happy/a.png`, grey);
    const { sets } = readImageFolder(join(root, "three"));
    const greys = ["Training", "PublicTest", "PrivateTest"].map(
      (split) => sets.get(split as "Training")?.pixels[0],
    );
    expect(greys).toEqual([1, 2, 3]);
  });

  test("with a folder that is no part, or two that are the same one, is refused", () => {
    for (const part of ["train", "valid", "validation", "images"]) image(`odd/${part}/happy/a.png`, 1);
    const rows = refusedBy(() => readImageFolder(join(root, "odd")));
    expect(rows.map(({ file, reason }) => `${file.slice(root.length + 1)} ${reason.slice(0, 30)}`)).toEqual([
      "odd/images is no part of FER-2013: train,",
      "odd/validation is PublicTest, as valid is: ke",
    ]);
  });

  test("takes no FER+ votes: they are in the CSV file's order", async () => {
    image("votes/train/happy/a.png", 1);
    await expect(
      loadTrainingData([{ path: join(root, "votes"), times: 1 }], "fer2013new.csv"),
    ).rejects.toThrow(/--ferplus goes with Kaggle's fer2013.csv/);
  });

  test("with an unknown label is refused, and other words for the seven are known", () => {
    for (const name of ["Happiness", "neutrality", "0_angry", "Surprised 2"])
      image(`words/train/${name}/a.png`, 1);
    expect([...(readImageFolder(join(root, "words")).sets.get("Training")?.labels ?? [])].sort()).toEqual([
      0, 3, 5, 6,
    ]);
    image("bored/train/bored/a.png", 1);
    const rows = refusedBy(() => readImageFolder(join(root, "bored")));
    expect(rows.map(({ file, reason }) => `${file.slice(root.length + 1)}: ${reason}`)).toEqual([
      "bored/train/bored: is none of angry, disgust, fear, happy, sad, surprise, neutral",
    ]);
  });

  test("may have any size and colour; files that are no images are left out and named", () => {
    image("sizes/train/happy/large.png", 80, 112);
    image("sizes/train/happy/small.png", 90, 9);
    const colour = new cv.Mat(70, 100, cv.CV_8UC3, [0, 0, 200]);
    cv.imwrite(join(root, "sizes/train/happy/red.png"), colour);
    colour.release();
    writeFileSync(join(root, "sizes/train/happy/text.png"), "no image");
    writeFileSync(join(root, "sizes/train/happy/empty.jpg"), "");
    const { sets, unreadable, files } = readImageFolder(join(root, "sizes"));
    const set = sets.get("Training");
    expect(set?.count).toBe(3);
    const greys = [0, 1, 2].map((row) => set?.pixels[row * PICTURE_PIXELS + 1000] ?? -1);
    expect([greys[0], greys[2]]).toEqual([80, 90]);
    // Red of 200 is a grey of 0.299 × 200, which libpng rounds its own way.
    expect(Math.abs((greys[1] as number) - 60)).toBeLessThanOrEqual(1);
    expect(files.get("Training")?.map((file) => basename(file))).toEqual([
      "large.png",
      "red.png",
      "small.png",
    ]);
    expect(unreadable.map((file) => basename(file))).toEqual(["empty.jpg", "text.png"]);
    expect(unreadableLines(unreadable)[0]).toBe("left out 2 files that are no image:");
  });
});

describe("a folder of portraits beside FER-2013", () => {
  const people = Array.from({ length: 60 }, (_, i) => `Person_Number${i}`);

  test("keeps people apart, doubts one person's word, and shows rare labels more often", async () => {
    const fer = join(root, "fer.csv");
    writeFileSync(
      fer,
      [HEADER, ...syntheticRows("Training", 14, 1), ...syntheticRows("PublicTest", 7, 2)].join("\n"),
    );
    people.forEach((person, i) => {
      image(`portraits/train/neutral/${person}_0001.png`, i);
      image(`portraits/train/neutral/${person}_0002.png`, i);
    });
    const learnt = people.filter((person) => !isKeptApart(person));
    for (const person of learnt.slice(0, 8)) image(`portraits/train/surprise/${person}_0003.png`, 250);
    const data = await loadTrainingData(
      [
        { path: fer, times: 0.5 },
        { path: join(root, "portraits"), times: 1 },
      ],
      undefined,
      [1, 3],
    );
    const apart = people.length - learnt.length;
    expect(apart).toBeGreaterThan(2);
    expect(data.people?.count).toBe(2 * apart);
    expect(data.ferRows).toBe(14);
    const { training } = data;
    expect(training.count).toBe(14 + 2 * learnt.length + 8);
    // FER-2013's rows: half of 1 and of 3 times; portraits' neutral ones once, surprise by the root of what it lacks.
    expect([...(training.times ?? [])].slice(0, 3)).toEqual([0.5, 1.5, 0.5]);
    const last = training.count - 1;
    expect(training.times?.[14]).toBe(1);
    expect(training.times?.[last]).toBeCloseTo(Math.sqrt((2 * learnt.length) / 8));
    // Nobody voted on FER-2013's rows here; of a hundred votes 94 are for neutral, and 82 for surprise.
    expect(training.votes?.totals[0]).toBe(0);
    expect([...(training.votes?.counts ?? [])].slice(14 * 7, 15 * 7)).toEqual([1, 1, 1, 1, 1, 1, 94]);
    expect([...(training.votes?.counts ?? [])].slice(last * 7)).toEqual([3, 3, 3, 3, 3, 82, 3]);
    const greys = new Set(
      Array.from({ length: data.people?.count ?? 0 }, (_, row) => data.people?.pixels[row * PICTURE_PIXELS]),
    );
    const shown = Array.from(
      { length: 2 * learnt.length },
      (_, i) => training.pixels[(14 + i) * PICTURE_PIXELS],
    );
    expect(shown.filter((grey) => greys.has(grey))).toEqual([]);
  });

  test("knows a person by the file's name up to the last underscore", () => {
    expect(personOf("/a/b/George_W_Bush_0489.jpg")).toBe("George_W_Bush");
    expect(personOf("alone.jpg")).toBe("alone");
    expect(isKeptApart("george_w_bush")).toBe(isKeptApart("George_W_Bush"));
    const share = Array.from({ length: 4000 }, (_, i) => isKeptApart(`p${i}`)).filter(Boolean).length / 4000;
    expect(share).toBeGreaterThan(0.13);
    expect(share).toBeLessThan(0.17);
  });

  test("must be a folder with train in it", () => {
    const portraits = { path: join(root, "none"), times: 1 };
    expect(() => readPortraits(portraits)).toThrow(/after the first, --data is a folder/);
    image("empty/test/happy/a.png", 1);
    expect(() => readPortraits({ path: join(root, "empty"), times: 1 })).toThrow(/has no pictures in train/);
  });
});
