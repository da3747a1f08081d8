import { InferenceSession, Tensor } from "onnxruntime-node";
import { expect, test } from "vitest";
import { PICTURE_SIZE } from "../../scripts/train/data/dataset.js";
import { middles } from "../../scripts/train/export/crops.js";
import { onnxFloat, onnxInt8 } from "../../scripts/train/export/onnx.js";
import { INPUT_NAME, OUTPUT_NAME } from "../../src/emotion/onnx.js";
import { noise, SMALL, smallNetwork } from "../emotion/model-fixture.js";
import { tensorFlowThere } from "./tensorflow-there.js";

const { inputSize: SIDE } = SMALL;
const ROWS = Array.from({ length: 64 }, (_, row) => row);

async function scores(model: Buffer, pictures: Uint8Array): Promise<Float32Array> {
  const session = await InferenceSession.create(model);
  const faces = new Tensor("uint8", middles(pictures, ROWS, SIDE), [ROWS.length, 1, SIDE, SIDE]);
  const outputs = await session.run({ [INPUT_NAME]: faces });
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
    const known = noise(ROWS.length, PICTURE_SIZE, seed);
    const ranges = measureRanges(network, known, ROWS, SIDE);
    const images = plainBatch(known, ROWS, SIDE, SIDE);
    const tensors = tf.memory().numTensors;
    const corrected = correctBiases(network, images, ranges);
    expect(tf.memory().numTensors).toBe(tensors);
    images.dispose();
    const other = noise(ROWS.length, PICTURE_SIZE, seed + 100);
    const wanted = await scores(onnxFloat(network), other);
    const error = (found: Float32Array) =>
      found.reduce((sum, p, i) => sum + (p - (wanted[i] as number)) ** 2, 0);
    errors.plain += error(await scores(onnxInt8(network, ranges), other));
    errors.corrected += error(await scores(onnxInt8(corrected, ranges), other));
  }
  expect(errors.corrected).toBeLessThan(0.9 * errors.plain);
});
