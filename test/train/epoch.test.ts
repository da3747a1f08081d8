import { describe, expect, test } from "vitest";
import { type Dataset, joined, PICTURE_PIXELS, select } from "../../scripts/train/data/dataset.js";
import { createRandom } from "../../scripts/train/random.js";
import { epochLength, epochRows, usableRows } from "../../scripts/train/targets.js";

function faces(labels: readonly number[], times?: readonly number[]): Dataset {
  return {
    split: "Training",
    count: labels.length,
    pixels: Uint8Array.from({ length: labels.length * PICTURE_PIXELS }, (_, i) =>
      Math.floor(i / PICTURE_PIXELS),
    ),
    labels: Uint8Array.from(labels),
    votes: null,
    ...(times === undefined ? {} : { times: Float32Array.from(times) }),
  };
}

describe("an epoch", () => {
  test("shows each picture as often as its set says, and a part of once by chance", () => {
    const set = faces([0, 1, 2, 3], [0, 1, 2, 0.3]);
    const usable = usableRows(set);
    expect(epochLength(set, usable)).toBeCloseTo(3.3);
    const random = createRandom(5);
    const counts = [0, 0, 0, 0];
    for (let epoch = 0; epoch < 2000; epoch++)
      for (const row of epochRows(set, usable, random)) counts[row] = (counts[row] as number) + 1;
    expect(counts.slice(0, 3)).toEqual([0, 2000, 4000]);
    expect((counts[3] as number) / 2000).toBeGreaterThan(0.26);
    expect((counts[3] as number) / 2000).toBeLessThan(0.34);
  });

  test("shows each once where nothing is said, and draws no chance for it", () => {
    const set = faces([0, 1, 2]);
    const random = createRandom(5);
    const before = random.state();
    expect([...epochRows(set, usableRows(set), random)]).toEqual([0, 1, 2]);
    expect(random.state()).toBe(before);
  });

  test("leaves out what raters saw as no face", () => {
    const votes = {
      counts: Uint8Array.of(10, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0),
      totals: Uint8Array.of(10, 10),
    };
    expect(usableRows({ ...faces([0, 0]), votes })).toEqual([0]);
  });
});

test("joined sets keep their rows, times and votes apart", () => {
  const voted = {
    ...faces([3], [2]),
    votes: { counts: Uint8Array.of(0, 0, 0, 9, 0, 0, 0), totals: Uint8Array.of(10) },
  };
  const set = joined([faces([5, 6]), voted]);
  expect(set.count).toBe(3);
  expect([...set.labels]).toEqual([5, 6, 3]);
  expect([...(set.times ?? [])]).toEqual([1, 1, 2]);
  expect([...(set.votes?.totals ?? [])]).toEqual([0, 0, 10]);
  expect(set.votes?.counts[17]).toBe(9);
  expect(set.pixels[2 * PICTURE_PIXELS]).toBe(0);
  const last = select(set, [2]);
  expect([...(last.times ?? [])]).toEqual([2]);
  expect([...(last.votes?.counts ?? [])]).toEqual([0, 0, 0, 9, 0, 0, 0]);
});
