import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { EMOTION_LABELS } from "../../src/base/labels.js";
import { cv } from "../../src/base/opencv.js";
import { writeSmallModel } from "../emotion/model-fixture.js";
import { FERPLUS_HEADER, HEADER, syntheticRows } from "./synthetic.js";

const ROOT = join(import.meta.dirname, "../..");
const folder = mkdtempSync(join(tmpdir(), "emotiond-evaluate-"));
const data = join(folder, "fer2013.csv");
const ferplus = join(folder, "fer2013new.csv");
let model: string;

beforeAll(() => {
  model = writeSmallModel();
  writeFileSync(
    data,
    [HEADER, ...syntheticRows("Training", 3, 1), ...syntheticRows("PrivateTest", 21, 2)].join("\n"),
  );
  // Of 21 rows, 7 have a majority for happy, 7 a tie, and 7 no face at all.
  const votes = ["0,9,0,0,1,0,0,0,0,0", "5,5,0,0,0,0,0,0,0,0", "0,0,0,0,0,0,0,0,0,10"];
  const rows = Array.from({ length: 21 }, (_, row) => `PrivateTest,x.png,${votes[row % 3]}`);
  writeFileSync(ferplus, [FERPLUS_HEADER, ...rows].join("\n"));
});

afterAll(() => {
  rmSync(folder, { recursive: true });
  rmSync(model, { recursive: true });
});

function evaluate(...args: string[]) {
  const command = [
    "--import",
    "tsx",
    join(ROOT, "scripts/evaluate.ts"),
    "--data",
    data,
    "--model",
    model,
    ...args,
  ];
  return spawnSync(process.execPath, command, { cwd: ROOT, encoding: "utf8" });
}

describe("npm run evaluate", { timeout: 60_000 }, () => {
  test("prints the contract's figures as JSON, and nothing else on stdout", () => {
    const args = ["--split", "PrivateTest", "--engine", "onnx-int8", "--json", "--ferplus", ferplus];
    const { status, stdout, stderr } = evaluate(...args);
    expect(status, stderr).toBe(0);
    const result = JSON.parse(stdout);
    expect(result).toMatchObject({ engine: "onnx-int8", split: "PrivateTest", n: 21 });
    expect(Object.keys(result.perClass)).toEqual([...EMOTION_LABELS]);
    const right = EMOTION_LABELS.map((_, i) => result.confusion[i][i]).reduce((sum, count) => sum + count, 0);
    expect(result.accuracy).toBeCloseTo(right / 21);
    for (const [i, label] of EMOTION_LABELS.entries()) {
      const { precision, recall, f1, n } = result.perClass[label];
      expect(n).toBe(3);
      expect(result.confusion[i].reduce((sum: number, count: number) => sum + count, 0)).toBe(3);
      expect(recall).toBeCloseTo(result.confusion[i][i] / 3);
      expect(f1).toBeCloseTo(precision + recall === 0 ? 0 : (2 * precision * recall) / (precision + recall));
    }
    expect(result.ferplus.n).toBe(7);
    expect(result.ferplus.accuracy).toBeGreaterThanOrEqual(0);
    expect(result.msPerFace).toBeGreaterThan(0);
  });

  test("has null for FER+ without its file, and a table for people without --json", () => {
    const json = JSON.parse(evaluate("--split", "PrivateTest", "--engine", "onnx-fp32", "--json").stdout);
    expect(json.ferplus).toBeNull();
    const { stdout } = evaluate("--split", "PrivateTest", "--engine", "onnx-fp32");
    expect(stdout).toMatch(/^onnx-fp32, PrivateTest: [\d.]+ % ± [\d.]+ of 21 right/);
    expect(stdout).toMatch(/precision {2}recall/);
  });

  test("says which rows there are when the split has none", () => {
    const { status, stderr } = evaluate("--split", "PublicTest", "--engine", "onnx-int8", "--json");
    expect(status).toBe(1);
    expect(stderr).toMatch(
      /no rows with Usage PublicTest \(rows: Training 3, PublicTest 0, PrivateTest 21\)/,
    );
  });

  test("scores a part of a folder of images of any size, by the folder's name, and names what is no image", () => {
    for (const [i, label] of ["happy", "neutral", "surprised"].entries()) {
      mkdirSync(join(folder, "faces/other people", label), { recursive: true });
      const face = new cv.Mat(60 + i, 50, cv.CV_8UC3, [40 * i, 90, 120]);
      cv.imwrite(join(folder, "faces/other people", label, "a.png"), face);
      face.release();
    }
    writeFileSync(join(folder, "faces/other people/happy/b.png"), "no image");
    const args = ["--data", join(folder, "faces"), "--engine", "onnx-int8", "--json"];
    const { status, stdout, stderr } = evaluate(...args, "--split", "other people");
    expect(status, stderr).toBe(0);
    const result = JSON.parse(stdout);
    expect(result).toMatchObject({ split: "other people", n: 3, ferplus: null });
    expect(EMOTION_LABELS.map((label) => result.perClass[label].n)).toEqual([0, 0, 0, 1, 0, 1, 1]);
    expect(stderr).toMatch(/left out 1 file that is no image:\n.*happy\/b\.png/);
    expect(evaluate(...args, "--split", "train").stderr).toMatch(
      /no folder train; --split is one of other people/,
    );
  });

  test("refuses engines and splits that do not exist", () => {
    expect(evaluate("--engine", "fast").stderr).toMatch(/--engine fast: must be one of onnx-int8/);
    expect(evaluate("--split", "Test").stderr).toMatch(/--split Test: must be one of Training/);
  });
});
