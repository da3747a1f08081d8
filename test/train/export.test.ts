import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { cost } from "../../scripts/train/architecture.js";
import { samePadding } from "../../scripts/train/export/inference.js";
import { modelCard } from "../../scripts/train/export/model-card.js";
import { onnxFloat } from "../../scripts/train/export/onnx.js";
import { message } from "../../scripts/train/export/protobuf.js";
import {
  bestRange,
  quantizeBias,
  quantizeWeights,
  rangeToScale,
} from "../../scripts/train/export/quantize.js";
import { OnnxReadError, readFloats } from "../../scripts/train/export/read-onnx.js";
import { edge } from "../../scripts/train/presets.js";
import { createRandom } from "../../scripts/train/random.js";
import { manifestSchema } from "../../src/emotion/manifest.js";
import { smallNetwork } from "../emotion/model-fixture.js";

describe("protobuf", () => {
  test("encodes as the specification's examples", () => {
    expect(message().int(1, 150).finish().toString("hex")).toBe("089601");
    expect(message().text(2, "testing").finish().toString("hex")).toBe("120774657374696e67");
    expect(message().message(3, message().int(1, 150)).finish().toString("hex")).toBe("1a03089601");
    expect(message().ints(6, [3, 270, 86942]).finish().toString("hex")).toBe("3206038e029ea705");
    expect(message().int(1, -1).finish().toString("hex")).toBe("08ffffffffffffffffff01");
  });
});

describe("an ONNX file", () => {
  const network = smallNetwork(4);

  test("gives its weights back", () => {
    const floats = readFloats(onnxFloat(network));
    const stem = network.layers.find(({ name }) => name === "stem");
    if (stem?.op !== "conv") throw new Error("no stem");
    expect([...(floats.get("stem/bias") ?? [])]).toEqual([...stem.bias]);
    expect([...(floats.get("stem/weights") ?? [])].sort()).toEqual([...stem.weights].sort());
  });

  test("that is cut off, or none at all, is refused", () => {
    const whole = onnxFloat(network);
    expect(() => readFloats(whole.subarray(0, whole.length - 100))).toThrow(OnnxReadError);
    expect(() => readFloats(Buffer.alloc(0))).toThrow(/no float weights/);
  });
});

describe("quantizing", () => {
  test("keeps zero exact, and spans the range", () => {
    for (const range of [
      { low: 0, high: 6 },
      { low: -3, high: 1 },
      { low: 2, high: 5 },
      { low: 0, high: 0 },
    ]) {
      const { scale, zeroPoint } = rangeToScale(range);
      expect(Number.isInteger(zeroPoint)).toBe(true);
      expect((0 - zeroPoint) * scale).toBeLessThanOrEqual(Math.min(0, range.low) + scale);
      expect((255 - zeroPoint) * scale).toBeGreaterThanOrEqual(range.high - scale);
    }
  });

  test("uses 7 bits for weights, a scale for each channel, and is at most half a step off", () => {
    const random = createRandom(2);
    const weights = Float32Array.from({ length: 60 }, (_, i) => random.normal() * (i < 20 ? 1 : 0.01));
    const { values, scales } = quantizeWeights(weights, 3);
    expect(Math.max(...values)).toBeLessThanOrEqual(63);
    expect(Math.min(...values)).toBeGreaterThanOrEqual(-63);
    expect(scales[0] as number).toBeGreaterThan(10 * (scales[1] as number));
    weights.forEach((weight, i) => {
      const scale = scales[Math.floor(i / 20)] as number;
      expect(Math.abs(weight - (values[i] as number) * scale)).toBeLessThanOrEqual(scale * 0.501);
    });
  });

  test("puts biases at the scale of the products", () => {
    const { values, scales } = quantizeBias(Float32Array.of(0.5, -0.25), 0.1, Float32Array.of(0.01, 0.02));
    expect(values[0] as number).toBe(500);
    expect((values[1] as number) * (scales[1] as number)).toBeCloseTo(-0.25, 5);
  });

  test("chooses the range with the least error: clips a long thin tail, and nothing of an even spread", () => {
    const error = (values: Float32Array, high: number) => {
      const { scale } = rangeToScale({ low: 0, high });
      return values.reduce(
        (sum, value) => sum + (value - Math.min(255, Math.round(value / scale)) * scale) ** 2,
        0,
      );
    };
    const random = createRandom(3);
    const tail = Float32Array.from({ length: 100_000 }, () => Math.abs(random.normal()) ** 3);
    const longest = tail.reduce((most, value) => Math.max(most, value), 0);
    const { low, high } = bestRange(tail);
    expect(low).toBe(0);
    expect(high).toBeLessThan(longest * 0.95);
    expect(error(tail, high)).toBeLessThan(error(tail, longest));
    const even = Float32Array.from({ length: 10_000 }, () => random.uniform());
    expect(bestRange(even).high).toBeGreaterThan(0.98);
  });
});

test.each([
  [44, 3, 2, [0, 1]],
  [11, 3, 2, [1, 1]],
  [22, 3, 1, [1, 1]],
  [22, 1, 2, [0, 0]],
])("padding of %i pixels, kernel %i, stride %i is TensorFlow's SAME", (side, kernel, stride, expected) => {
  expect(samePadding(side, kernel, stride)).toEqual(expected);
});

describe("the edge preset", () => {
  test("stays within 3 M parameters and 100 MMAC", () => {
    const { parameters, macs } = cost(edge.architecture);
    expect(parameters).toBeLessThan(3e6);
    expect(macs).toBeLessThan(100e6);
  });
});

describe("the shipped model", () => {
  const folder = join(import.meta.dirname, "../../models/emotion");
  const manifest = manifestSchema.parse(JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8")));

  test("has an int8 file of at most 3.2 MB that loses at most half a point", () => {
    expect(manifest.files["onnx-int8"]?.bytes).toBeLessThanOrEqual(3.2e6);
    const [int8, fp32] = [manifest.metrics["onnx-int8"], manifest.metrics["onnx-fp32"]];
    expect(int8?.accuracy as number).toBeGreaterThan((fp32?.accuracy as number) - 0.005);
    expect(int8?.calibrationError.after as number).toBeLessThanOrEqual(0.05);
  });

  test("is right by what people see, and meets FER-2013's labels as often as people do, with every engine", () => {
    expect(Object.keys(manifest.metrics)).toEqual(["onnx-int8", "onnx-fp32", "tensorflow"]);
    for (const { split, n, accuracy, ferplus, calibrationError } of Object.values(manifest.metrics)) {
      expect([split, n, ferplus?.n]).toEqual(["PublicTest", 3589, 2854]);
      expect(ferplus?.accuracy).toBeGreaterThanOrEqual(0.88);
      expect(accuracy).toBeGreaterThanOrEqual(0.65);
      expect(calibrationError.after).toBeLessThanOrEqual(0.03);
    }
  });

  test("has the card that its manifest gives", () => {
    expect(readFileSync(join(folder, "MODEL_CARD.md"), "utf8")).toBe(modelCard(manifest));
  });
});
