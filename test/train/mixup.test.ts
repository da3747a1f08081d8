import { describe, expect, test } from "vitest";
import { createRandom } from "../../scripts/train/random.js";
import { tensorFlowThere } from "./tensorflow-there.js";

const COUNT = 64;

describe.skipIf(!tensorFlowThere)("mixup", () => {
  /** Picture i is grey level i all over; its label is i. */
  async function blended(seed: number, alpha = 0.3) {
    const { tf } = await import("../../scripts/train/tensorflow.js");
    const { mixup } = await import("../../scripts/train/mixup.js");
    return tf.tidy(() => {
      const levels = Float32Array.from({ length: COUNT * 4 }, (_, i) => Math.floor(i / 4));
      const images = tf.tensor4d(levels, [COUNT, 2, 2, 1]);
      const batch = mixup({ images, labels: tf.eye(COUNT) }, alpha, createRandom(seed));
      return {
        images: batch.images.dataSync() as Float32Array,
        labels: batch.labels.dataSync() as Float32Array,
      };
    });
  }

  test("blends picture and label by the same share, never less than half of its own", async () => {
    const { images, labels } = await blended(1);
    const shares: number[] = [];
    for (let i = 0; i < COUNT; i++) {
      const other = COUNT - 1 - i;
      const share = labels[i * COUNT + i] as number;
      expect(share).toBeGreaterThanOrEqual(0.5);
      expect(share).toBeLessThanOrEqual(1);
      expect(labels[i * COUNT + other]).toBeCloseTo(1 - share, 5);
      for (const pixel of images.subarray(i * 4, i * 4 + 4))
        expect(pixel).toBeCloseTo(share * i + (1 - share) * other, 3);
      shares.push(share);
    }
    expect(new Set(shares).size).toBeGreaterThan(COUNT / 2);
  });

  test("hardly blends at a small alpha", async () => {
    const seen = async (alpha: number) => {
      const { labels } = await blended(3, alpha);
      return Array.from({ length: COUNT }, (_, i) => labels[i * COUNT + i] as number).reduce((a, b) => a + b);
    };
    expect((await seen(0.02)) / COUNT).toBeGreaterThan(0.96);
    expect((await seen(1)) / COUNT).toBeLessThan(0.85);
  });

  test("same random state, same blend", async () => {
    expect(await blended(2)).toEqual(await blended(2));
    expect(await blended(2)).not.toEqual(await blended(5));
  });
});
