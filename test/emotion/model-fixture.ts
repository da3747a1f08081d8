import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Architecture, resNet, shapeOf, shapes } from "../../scripts/train/architecture.js";
import { graphModel, WEIGHTS_FILE } from "../../scripts/train/export/graph-model.js";
import { fold, type InferenceNetwork } from "../../scripts/train/export/inference.js";
import { onnxFloat, onnxInt8 } from "../../scripts/train/export/onnx.js";
import { type Mix, OUTPUTS } from "../../scripts/train/heads.js";
import { createRandom } from "../../scripts/train/random.js";
import { EMOTION_LABELS } from "../../src/base/labels.js";
import type { Manifest, ModelFile } from "../../src/emotion/manifest.js";

/** A network small enough to be made in a millisecond, with every kind of layer in it. */
export const SMALL: Architecture = resNet(
  {
    name: "small",
    inputSize: 44,
    stem: { filters: 4, kernel: 3, stride: 2 },
    stages: [
      [4, 1, 1],
      [8, 1, 2],
      [8, 1, 2],
    ],
  },
  OUTPUTS,
);

/** Neither of its numbers is one that changes nothing. */
const MIX: Mix = { share: 0.4, temperature: 0.6 };

/** Random values for every parameter of a network; the same for the same seed. */
export function randomValues(architecture: Architecture, seed: number): Map<string, Float32Array> {
  const random = createRandom(seed);
  const known = shapes(architecture);
  const values = new Map<string, Float32Array>();
  const fill = (name: string, length: number, make: () => number) => {
    values.set(name, Float32Array.from({ length }, make));
  };
  for (const layer of architecture.layers) {
    if (layer.op === "conv") {
      const fanIn = layer.kernel ** 2 * shapeOf(known, layer.input).channels;
      fill(`${layer.name}/kernel`, fanIn * layer.filters, () => random.normal() * Math.sqrt(2 / fanIn));
      fill(`${layer.name}/gamma`, layer.filters, () => random.between(0.5, 1.5));
      fill(`${layer.name}/beta`, layer.filters, () => random.normal() * 0.2);
      fill(`${layer.name}/mean`, layer.filters, () => random.normal() * 0.2);
      fill(`${layer.name}/variance`, layer.filters, () => random.between(0.5, 1.5));
    } else if (layer.op === "dense") {
      const { channels } = shapeOf(known, layer.input);
      fill(`${layer.name}/kernel`, channels * layer.units, () => random.normal() * 0.05);
      fill(`${layer.name}/bias`, layer.units, () => random.normal() * 0.1);
    }
  }
  return values;
}

export function smallNetwork(seed: number): InferenceNetwork {
  return network(SMALL, seed);
}

function network(architecture: Architecture, seed: number): InferenceNetwork {
  return fold(architecture, randomValues(architecture, seed), MIX);
}

/** A model folder whose onnx-int8 file holds a network a hundred times the size of its onnx-fp32, and no other. */
export function writeModelSlowInInt8(): string {
  const folder = writeSmallModel();
  const large = resNet(
    {
      name: "large",
      inputSize: 44,
      stem: { filters: 32, kernel: 3, stride: 1 },
      stages: [
        [32, 2, 1],
        [64, 2, 2],
      ],
    },
    OUTPUTS,
  );
  const bytes = onnxFloat(network(large, 2));
  const path = "slow.onnx";
  writeFileSync(join(folder, path), bytes);
  const manifest = JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8")) as Manifest;
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const { "onnx-fp32": fast } = manifest.files;
  writeManifest(folder, {
    ...manifest,
    files: { "onnx-int8": { path, sha256, bytes: bytes.length }, "onnx-fp32": fast },
  });
  return folder;
}

/** Writes a model folder as the exporter does, of random weights, and returns its path. */
export function writeSmallModel(seed = 1): string {
  const folder = mkdtempSync(join(tmpdir(), "emotiond-model-"));
  const network = smallNetwork(seed);
  const ranges = new Map(
    network.layers
      .filter(({ op }) => op === "conv" || op === "add")
      .map(({ name }) => [name, { low: -6, high: 6 }] as const),
  );
  const tensorflow = graphModel(network);
  const described = (path: string, bytes: Buffer): ModelFile => {
    writeFileSync(join(folder, path), bytes);
    return { path, sha256: createHash("sha256").update(bytes).digest("hex"), bytes: bytes.length };
  };
  writeManifest(folder, {
    schema: 1,
    name: "emotiond-small",
    version: "1.2.3",
    created: "2026-01-01T00:00:00.000Z",
    labels: [...EMOTION_LABELS],
    input: { size: SMALL.inputSize, channels: 1, type: "uint8" },
    normalization: { mean: 128, scale: 64, inside: true },
    crop: { cascade: "frontalface_default", perBox: 0.9362 },
    output: "probabilities",
    files: {
      "onnx-int8": described("int8.onnx", onnxInt8(network, ranges)),
      "onnx-fp32": described("fp32.onnx", onnxFloat(network)),
      tensorflow: {
        model: described("tfjs.json", tensorflow.model),
        weights: [described(WEIGHTS_FILE, tensorflow.weights)],
      },
    },
    metrics: {},
    training: {
      preset: "small",
      epochs: 0,
      parameters: 1,
      macs: 1,
      head: MIX,
    },
  });
  return folder;
}

export function writeManifest(folder: string, manifest: Manifest | object): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "manifest.json"), JSON.stringify(manifest));
}

/** Noise that is the same for the same seed: `count` faces of `side`² pixels. */
export function noise(count: number, side: number, seed: number): Uint8Array {
  const random = createRandom(seed);
  return Uint8Array.from({ length: count * side * side }, () => random.below(256));
}
