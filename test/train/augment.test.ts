import { describe, expect, test } from "vitest";
import { PICTURE_PIXELS, PICTURE_SIZE } from "../../scripts/train/data/dataset.js";
import { tensorFlowThere } from "./tensorflow-there.js";

const SIZE = 44;
const COUNT = 16;
/** Bars of two pixels: nothing of them is left in a coarse picture. */
const pixels = Uint8Array.from({ length: PICTURE_PIXELS }, (_, i) => ((i % PICTURE_SIZE) % 4 < 2 ? 60 : 200));

describe.skipIf(!tensorFlowThere)("augmentation", () => {
  async function contrasts(blur: number): Promise<number[]> {
    const { augmentedBatch } = await import("../../scripts/train/augment.js");
    const { createRandom } = await import("../../scripts/train/random.js");
    const still = {
      flip: false,
      shift: 0,
      rotation: 0,
      scale: 0,
      contrast: 0,
      brightness: 0,
      erasing: 0,
      blur,
    };
    const rows = new Int32Array(COUNT);
    const batch = augmentedBatch(pixels, rows, SIZE, SIZE, still, createRandom(2));
    const values = batch.dataSync();
    batch.dispose();
    return Array.from({ length: COUNT }, (_, picture) => {
      const part = Array.from(values.subarray(picture * SIZE * SIZE, (picture + 1) * SIZE * SIZE));
      const mean = part.reduce((sum, value) => sum + value, 0) / part.length;
      return Math.sqrt(part.reduce((sum, value) => sum + (value - mean) ** 2, 0) / part.length);
    });
  }

  test("makes as many pictures coarse as it is told, and leaves the others as they are", async () => {
    const sharp = await contrasts(0);
    for (const contrast of sharp) expect(contrast).toBeCloseTo(70 / 64, 1);
    const all = await contrasts(1);
    for (const contrast of all) expect(contrast).toBeLessThan(0.6 * (70 / 64));
    const some = await contrasts(0.5);
    const coarse = some.filter((contrast) => contrast < 0.6 * (70 / 64)).length;
    expect(coarse).toBeGreaterThan(3);
    expect(coarse).toBeLessThan(13);
    expect(some.filter((contrast) => Math.abs(contrast - (sharp[0] as number)) < 1e-3)).toHaveLength(
      COUNT - coarse,
    );
  });
});
