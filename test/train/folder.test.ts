import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { BadDataError } from "../../scripts/train/data/dataset.js";
import { cv } from "../../src/base/opencv.js";
import { tensorFlowThere } from "./tensorflow-there.js";

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

describe.skipIf(!tensorFlowThere)("a folder of images", () => {
  test("is read by label, PNG and JPEG, whatever the copy calls its folders", async () => {
    const { readImageFolder } = await import("../../scripts/train/data/folder.js");
    image("good/train/angry/2.png", 20);
    image("good/train/angry/1.png", 10);
    image("good/train/surprise/a.jpg", 200);
    image("good/test/Disgusted/a.png", 90);
    const sets = readImageFolder(join(root, "good"));
    const training = sets.get("Training");
    expect(training?.count).toBe(3);
    expect([...(training?.labels ?? [])]).toEqual([0, 0, 5]);
    expect([0, 2304, 2 * 2304].map((at) => training?.pixels[at])).toEqual([10, 20, 200]);
    expect([...(sets.get("PublicTest")?.labels ?? [])]).toEqual([1]);
    expect(sets.get("PrivateTest")?.count).toBe(0);
  });

  test("keeps a test folder beside a validation folder apart: it is PrivateTest then", async () => {
    const { readImageFolder } = await import("../../scripts/train/data/folder.js");
    for (const [part, grey] of [
      ["Training", 1],
      ["val", 2],
      ["test", 3],
    ] as const)
      image(`three/${part}/happy/a.png`, grey);
    const sets = readImageFolder(join(root, "three"));
    const greys = ["Training", "PublicTest", "PrivateTest"].map(
      (split) => sets.get(split as "Training")?.pixels[0],
    );
    expect(greys).toEqual([1, 2, 3]);
  });

  test("with a folder that is no part, or two that are the same one, is refused", async () => {
    const { readImageFolder } = await import("../../scripts/train/data/folder.js");
    for (const part of ["train", "valid", "validation", "images"]) image(`odd/${part}/happy/a.png`, 1);
    const rows = refusedBy(() => readImageFolder(join(root, "odd")));
    expect(rows.map(({ file, reason }) => `${file.slice(root.length + 1)} ${reason.slice(0, 30)}`)).toEqual([
      "odd/images is no part of FER-2013: train,",
      "odd/validation is PublicTest, as valid is: ke",
    ]);
  });

  test("takes no FER+ votes: they are in the CSV file's order", async () => {
    const { loadTrainingData } = await import("../../scripts/train/data/load.js");
    image("votes/train/happy/a.png", 1);
    await expect(loadTrainingData(join(root, "votes"), "fer2013new.csv")).rejects.toThrow(
      /--ferplus goes with Kaggle's fer2013.csv/,
    );
  });

  test("with a file that is no image, another size or an unknown label is refused, each by name", async () => {
    const { readImageFolder } = await import("../../scripts/train/data/folder.js");
    image("bad/train/happy/fine.png", 1);
    image("bad/train/happy/large.png", 1, 64);
    image("bad/train/bored/a.png", 1);
    writeFileSync(join(root, "bad/train/happy/text.png"), "no image");
    const rows = refusedBy(() => readImageFolder(join(root, "bad")));
    expect(rows.map(({ file, reason }) => `${file.slice(root.length + 1)}: ${reason}`)).toEqual([
      "bad/train/bored: is none of angry, disgust, fear, happy, sad, surprise, neutral",
      "bad/train/happy/large.png: is 64 × 64 pixels, not 48 × 48",
      "bad/train/happy/text.png: is no image that can be read",
    ]);
  });
});
