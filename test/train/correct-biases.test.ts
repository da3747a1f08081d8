import { InferenceSession, Tensor } from "onnxruntime-node";
import { expect, test } from "vitest";
import { onnxFloat, onnxInt8 } from "../../scripts/train/export/onnx.js";
import { createRandom } from "../../scripts/train/random.js";
import { INPUT_NAME, OUTPUT_NAME } from "../../src/emotion/onnx.js";
import { smallNetwork } from "../emotion/model-fixture.js";
import { tensorFlowThere } from "./tensorflow-there.js";

const COUNT = 64;
const SIDE = 44;
const PICTURE = 48;

/** Pictures of 48 × 48 noise, each brighter or darker than others. */
function noise(seed: number): Uint8Array {
  const random = createRandom(seed);
  let level = 0;
  return Uint8Array.from({ length: COUNT * PICTURE ** 2 }, (_, i) => {
    if (i % PICTURE ** 2 === 0) level = random.between(40, 200);
    return Math.max(0, Math.min(255, level + 30 * random.normal()));
  });
}

async function scores(model: Buffer, pictures: Uint8Array): Promise<Float32Array> {
  const session = await InferenceSession.create(model);
  const middle = new Uint8Array(COUNT * SIDE ** 2);
  for (let row = 0; row < COUNT * SIDE; row++) {
    const from = Math.floor(row / SIDE) * PICTURE ** 2 + ((row % SIDE) + 2) * PICTURE + 2;
    middle.set(pictures.subarray(from, from + SIDE), row * SIDE);
  }
  const outputs = await session.run({ [INPUT_NAME]: new Tensor("uint8", middle, [COUNT, 1, SIDE, SIDE]) });
  await session.release();
  return outputs[OUTPUT_NAME]?.data as Float32Array;
}

test.skipIf(!tensorFlowThere)("corrected biases bring int8 nearer to float, on other pictures", async () => {
  const { plainBatch } = await import("../../scripts/train/augment.js");
  const { correctBiases } = await import("../../scripts/train/export/correct-biases.js");
  const { measureRanges } = await import("../../scripts/train/export/folded-forward.js");
  const { tf } = await import("../../scripts/train/tensorflow.js");
  const errors = { plain: 0, corrected: 0 };
  for (const seed of [1, 2, 3, 4, 5, 6]) {
    const network = smallNetwork(seed);
    const known = noise(seed);
    const rows = Array.from({ length: COUNT }, (_, row) => row);
    const ranges = measureRanges(network, known, rows, SIDE);
    const images = plainBatch(known, rows, SIDE, SIDE);
    const tensors = tf.memory().numTensors;
    const corrected = await correctBiases(network, images, ranges);
    expect(tf.memory().numTensors).toBe(tensors);
    images.dispose();
    const other = noise(seed + 100);
    const wanted = await scores(onnxFloat(network), other);
    const error = (found: Float32Array) =>
      found.reduce((sum, p, i) => sum + (p - (wanted[i] as number)) ** 2, 0);
    errors.plain += error(await scores(onnxInt8(network, ranges), other));
    errors.corrected += error(await scores(onnxInt8(corrected, ranges), other));
  }
  expect(errors.corrected).toBeLessThan(0.9 * errors.plain);
});
