import { describe, expect, test } from "vitest";
import type { Dataset } from "../../scripts/train/data/dataset.js";
import { chooseHead } from "../../scripts/train/export/head.js";
import { evenMix, mixed, OUTPUTS, tempered } from "../../scripts/train/heads.js";
import {
  calibrationError,
  majorities,
  pluralities,
  predictions,
  score,
  softmax,
} from "../../scripts/train/metrics.js";
import { createRandom } from "../../scripts/train/random.js";
import { taught } from "../../scripts/train/targets.js";

test("a teacher's answers are mixed into the targets, and stand alone where there are none", () => {
  const labels = Float32Array.of(1, 0, 0, 0, 0, 0, 0, ...new Array(7).fill(0));
  const answers = Float32Array.of(0, 0.5, 0.5, 0, 0, 0, 0, 0.25, 0.75, 0, 0, 0, 0, 0);
  const mixed = Array.from(taught(labels, answers, 0.4));
  expect(mixed.slice(0, 3)).toEqual([0.6, 0.2, 0.2].map(Math.fround));
  expect(mixed.slice(7)).toEqual([0.25, 0.75, 0, 0, 0, 0, 0]);
});

describe("score", () => {
  test("counts rights, recalls and precisions, and leaves out rows without a truth", () => {
    const result = score([0, 0, 3, 3, 6], [0, 3, 3, 3, null]);
    expect(result.n).toBe(4);
    expect(result.accuracy).toBe(0.75);
    expect(result.recall[0]).toBe(1);
    expect(result.recall[3]).toBeCloseTo(2 / 3);
    expect(result.precision[0]).toBe(0.5);
    expect(result.precision[3]).toBe(1);
    expect(result.confusion[3]?.[0]).toBe(1);
    expect(result.recall[5]).toBeNaN();
  });
});

describe("calibration error", () => {
  const row = (confidence: number) => [confidence, ...new Array<number>(6).fill((1 - confidence) / 6)];

  test("is nothing when the confidence is the share that is right", () => {
    const rows = Float32Array.from([...row(0.75), ...row(0.75), ...row(0.75), ...row(0.75)]);
    expect(calibrationError(rows, [0, 0, 0, 1])).toBeCloseTo(0, 5);
  });

  test("is the gap when it is not", () => {
    const rows = Float32Array.from([...row(0.95), ...row(0.95)]);
    expect(calibrationError(rows, [0, 1])).toBeCloseTo(0.45, 5);
  });
});

test("softmax gives rows that sum to 1, also of large logits", () => {
  const rows = softmax(Float32Array.from([1000, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7]));
  expect(rows[0]).toBeCloseTo(1);
  expect(rows.subarray(7).reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 5);
});

describe("mixing", () => {
  const never = -1000;
  // The first head wavers between the first two labels, the second between the last two.
  const own = [0, 0, never, never, never, never, never];
  const votes = [never, never, never, never, never, 0, Math.log(3) / 2];
  const both = Float32Array.from([...own, ...votes]);
  const close = (row: Float32Array, expected: readonly number[]) =>
    row.forEach((value, label) => {
      expect(value).toBeCloseTo(expected[label] as number, 5);
    });

  test("is the mean of what the heads make probable", () => {
    close(mixed(both, { share: 0.6, temperature: 1 }), [
      0.3,
      0.3,
      0,
      0,
      0,
      0.4 / (1 + Math.sqrt(3)),
      0.4 - 0.4 / (1 + Math.sqrt(3)),
    ]);
  });

  test("leaves the second head out where there are no votes", () => {
    close(mixed(both, evenMix(false)), [0.5, 0.5, 0, 0, 0, 0, 0]);
  });

  test("at a lower temperature says the same with more confidence", () => {
    close(mixed(both, { share: 0, temperature: 0.5 }), [0, 0, 0, 0, 0, 0.25, 0.75]);
    // Of the mean, and not of each head: what one head alone holds for likely loses to what both hold for possible.
    close(tempered(Float32Array.of(0.2, 0.4, 0.4, 0, 0, 0, 0), 0.5), [1 / 9, 4 / 9, 4 / 9, 0, 0, 0, 0]);
  });
});

describe("chooseHead", () => {
  const rows = 3000;
  const random = createRandom(3);
  const seenIn = Uint8Array.from({ length: rows }, () => random.below(7));
  /** One label in three is another than people see; the first head has learnt it, the second what people see. */
  const labels = seenIn.map((label) => (random.uniform() < 0.33 ? random.below(7) : label));
  // What leads one head astray leads the other, too, for they see the same features.
  const common = new Float32Array(rows * 7).map(() => random.normal());
  const both = new Float32Array(rows * OUTPUTS).map((_, i) => {
    const row = Math.floor(i / OUTPUTS);
    const label = i % 7;
    const [byLabel, bySeen] = i % OUTPUTS < 7 ? [1.2, 0.8] : [0, 2];
    const known = (label === labels[row] ? byLabel : 0) + (label === seenIn[row] ? bySeen : 0);
    return known + (common[row * 7 + label] as number) + 0.1 * random.normal();
  });
  const truth = Array.from(seenIn);
  const { settings, calibrationError: error } = chooseHead(both, labels, [{ both, truth, likeliest: truth }]);
  const right = (share: number, by: ArrayLike<number>) =>
    score(predictions(mixed(both, { share, temperature: 1 })), by).accuracy;

  test("makes confidences honest about what people see", () => {
    expect(error.after).toBeLessThan(error.before / 2);
    expect(error.after).toBeLessThan(0.05);
    expect(calibrationError(mixed(both, settings), truth)).toBeCloseTo(error.after, 6);
  });

  test("gives up on the labels no more than it may, for what people see", () => {
    const { share } = settings;
    const shares = Array.from({ length: 101 }, (_, percent) => percent / 100);
    const least = Math.min(0.655, Math.max(...shares.map((some) => right(some, labels))) - 0.035);
    expect(right(share, labels)).toBeGreaterThanOrEqual(least);
    expect(right(share, truth)).toBeGreaterThan(right(1, truth));
    // Less of the first head would be righter still about what people see, and miss the labels too often.
    expect(right(share - 0.05, truth)).toBeGreaterThan(right(share, truth));
    expect(right(share - 0.05, labels)).toBeLessThan(least);
  });

  test("has the first head alone without anything that people saw, and its confidences are about the labels", () => {
    const alone = chooseHead(both, labels, []);
    expect(alone.settings.share).toBe(1);
    expect(alone.calibrationError.after).toBeLessThan(0.03);
  });
});

describe("what most raters saw", () => {
  const rows = [
    [4, 0, 0, 3, 0, 0, 2, 10],
    [4, 0, 0, 4, 0, 0, 2, 10],
    [0, 0, 0, 4, 0, 0, 0, 10],
    [0, 0, 0, 0, 0, 0, 6, 10],
  ];
  const dataset: Dataset = {
    split: "PublicTest",
    count: rows.length,
    pixels: new Uint8Array(),
    labels: new Uint8Array(rows.length),
    votes: {
      counts: Uint8Array.from(rows.flatMap((row) => row.slice(0, 7))),
      totals: Uint8Array.from(rows, (row) => row[7] as number),
    },
  };

  test("is a label though fewer than half saw it, unless two are even or more saw none of the seven", () => {
    expect(pluralities(dataset)).toEqual([0, null, null, 6]);
    expect(majorities(dataset)).toEqual([null, null, null, 6]);
  });

  test("leaves the other rows out of a calibration error", () => {
    const sure = new Float32Array(28);
    for (const [row, label] of [0, 1, 2, 6].entries()) sure[row * 7 + label] = 1;
    expect(calibrationError(sure, pluralities(dataset))).toBe(0);
  });
});
