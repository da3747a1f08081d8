import { describe, expect, test } from "vitest";
import { chooseHead } from "../../scripts/train/export/head.js";
import { evenMix, type Mix, mixed, OUTPUTS, tempered } from "../../scripts/train/heads.js";
import { calibrationError, predictions, score, softmax } from "../../scripts/train/metrics.js";
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

  test("is the mean of what the heads make probable, as each is read", () => {
    const mix: Mix = {
      share: 0.6,
      own: { scale: 1, offsets: [Math.log(2), 0, 0, 0, 0, 0, 0] },
      votes: { scale: 2, offsets: [0, 0, 0, 0, 0, 0, 0] },
    };
    close(mixed(both, mix), [0.4, 0.2, 0, 0, 0, 0.1, 0.3]);
  });

  test("leaves the second head out where there are no votes", () => {
    close(mixed(both, evenMix(false)), [0.5, 0.5, 0, 0, 0, 0, 0]);
  });

  test("at a higher temperature says the same with less confidence", () => {
    close(mixed(both, tempered({ ...evenMix(true), share: 0 }, 0.5)), [0, 0, 0, 0, 0, 0.25, 0.75]);
  });
});

describe("chooseHead", () => {
  const rows = 2000;
  const random = createRandom(3);
  const labels = Uint8Array.from({ length: rows }, () => (random.uniform() < 0.04 ? 1 : random.below(7)));

  /**
   * Logits that know the label, but hold back on label 1, and are twice too sure. What leads one head astray leads the
   * other, too, for they see the same features.
   */
  const common = new Float32Array(rows * 7).map(() => random.normal());
  const both = new Float32Array(rows * OUTPUTS).map((_, i) => {
    const label = (i % OUTPUTS) % 7;
    const row = Math.floor(i / OUTPUTS);
    const own = label === labels[row] ? 2 : 0;
    const noise = 1.2 * (common[row * 7 + label] as number) + 0.2 * random.normal();
    return 6 * (own + noise - (label === 1 ? 0.5 : 0));
  });
  const { settings, calibrationError: error } = chooseHead(both, labels, Array.from(labels));

  test("makes confidences honest", () => {
    const raw = calibrationError(mixed(both, evenMix(true)), labels);
    expect(error.after).toBeLessThan(raw / 2);
    expect(error.after).toBeLessThan(0.05);
  });

  test("lifts a label that is found too seldom", () => {
    const recall = (mix: Mix) => score(predictions(mixed(both, mix)), labels).recall[1] ?? Number.NaN;
    expect(recall(settings)).toBeGreaterThanOrEqual(0.43);
    expect(recall(settings)).toBeGreaterThan(recall(evenMix(true)));
  });
});
