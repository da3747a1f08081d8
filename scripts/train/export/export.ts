import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { EMOTION_LABELS } from "../../../src/base/labels.js";
import { MANIFEST_FILE } from "../../../src/base/model-folder.js";
import type { EngineName } from "../../../src/emotion/classifier.js";
import { loadClassifier } from "../../../src/emotion/load.js";
import type { Manifest, ModelFile } from "../../../src/emotion/manifest.js";
import { EngineMissingError } from "../../../src/emotion/model-error.js";
import { CROP_PER_BOX } from "../../../src/vision/crop-size.js";
import { type Architecture, cost } from "../architecture.js";
import { plainBatch } from "../augment.js";
import { type Dataset, select } from "../data/dataset.js";
import { calibrationError, majorities, meanRecall, pluralities, predictions, score } from "../metrics.js";
import type { Origin } from "../origin.js";
import { PIXEL_MEAN, PIXEL_SCALE } from "../pixels.js";
import { createRandom } from "../random.js";
import { tf } from "../tensorflow.js";
import { correctBiases } from "./correct-biases.js";
import { foldedForward, measureRanges } from "./folded-forward.js";
import { graphModel, WEIGHTS_FILE } from "./graph-model.js";
import type { ChosenHead } from "./head.js";
import { fold, type InferenceNetwork } from "./inference.js";
import { modelCard } from "./model-card.js";
import { onnxFloat, onnxInt8 } from "./onnx.js";
import { probabilities } from "./score-classifier.js";

export interface ExportOptions {
  readonly architecture: Architecture;
  /** Averaged weights and statistics by parameter name. */
  readonly values: ReadonlyMap<string, Float32Array>;
  readonly head: ChosenHead;
  readonly training: Dataset;
  readonly evaluation: Dataset;
  /** Portraits of people whom training did not see. */
  readonly people?: Dataset | undefined;
  /** Training faces that are portraits, not FER-2013's. */
  readonly portraits?: number;
  /** Side of the part of the pictures that the network sees. */
  readonly window: number;
  readonly out: string;
  readonly version: string;
  readonly preset: string;
  /** Training faces that an epoch goes through. */
  readonly pictures: number;
  /** Whether copies of PrivateTest's faces were looked for in the training faces. */
  readonly comparedWithPrivateTest: boolean;
  readonly effort: Effort;
  readonly origin: Origin;
}

/** What a training took. */
export interface Effort {
  readonly epochs: number;
  readonly hours: number;
}

export interface Exported {
  readonly manifest: Manifest;
  /** Largest difference of a probability from the reference, over 500 faces, by engine. */
  readonly differences: Readonly<Partial<Record<EngineName, number>>>;
}

/** The files of one exported network disagree more than rounding explains. */
export class ExportMismatchError extends Error {
  override readonly name = "ExportMismatchError";
}

const HEADS_FILE = "heads.bin";
const CALIBRATION_FACES = 512;
const CHECKED_FACES = 500;
/** How far the mean probability may be off: float is exact to rounding, 7 and 8 bit weights are not. */
const MEAN_TOLERANCE: Readonly<Record<EngineName, number>> = {
  "onnx-fp32": 1e-5,
  "onnx-int8": 0.03,
  tensorflow: 0.02,
};

/** Writes the model's files and manifest into a folder, after checking them against each other. */
export async function exportModel(options: ExportOptions): Promise<Exported> {
  const network = fold(options.architecture, options.values, options.head.settings);
  const { training } = options;
  const random = createRandom(7);
  const rows = Array.from({ length: CALIBRATION_FACES }, () => random.below(training.count));
  const ranges = measureRanges(network, training.pixels, rows, options.window);
  const faces = plainBatch(training.pixels, rows, network.inputSize, options.window);
  const corrected = correctBiases(network, faces, ranges);
  faces.dispose();
  const tensorflow = graphModel(network);
  const files = new Map<string, Buffer>([
    ["emotion-fp32.onnx", onnxFloat(network)],
    ["emotion-int8.onnx", onnxInt8(corrected, ranges)],
    ["tfjs-model.json", tensorflow.model],
    [WEIGHTS_FILE, tensorflow.weights],
    [HEADS_FILE, bothHeads(options.architecture, options.values)],
  ]);
  const { parameters, macs } = cost(options.architecture);
  const manifest: Manifest = {
    schema: 1,
    name: `emotiond-${options.architecture.name}`,
    version: options.version,
    created: new Date().toISOString(),
    labels: [...EMOTION_LABELS],
    input: { size: network.inputSize, channels: 1, type: "uint8" },
    normalization: { mean: PIXEL_MEAN, scale: PIXEL_SCALE, inside: true },
    crop: { cascade: "frontalface_default", perBox: Math.round(CROP_PER_BOX * 1e4) / 1e4 },
    output: "probabilities",
    files: {
      "onnx-int8": described("emotion-int8.onnx", files),
      "onnx-fp32": described("emotion-fp32.onnx", files),
      tensorflow: { model: described("tfjs-model.json", files), weights: [described(WEIGHTS_FILE, files)] },
      heads: described(HEADS_FILE, files),
    },
    metrics: {},
    training: {
      preset: options.preset,
      ...options.effort,
      ...options.origin,
      pictures: options.pictures,
      ...(options.portraits === undefined || options.portraits === 0 ? {} : { portraits: options.portraits }),
      votes: training.votes !== null,
      comparedWithPrivateTest: options.comparedWithPrivateTest,
      parameters,
      macs,
      head: options.head.settings,
    },
  };
  const fresh = `${options.out}.new`;
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { recursive: true });
  for (const [name, bytes] of files) writeFileSync(join(fresh, name), bytes);
  writeManifest(fresh, manifest);

  const differences = await compare(fresh, network, training, options.window);
  for (const engine of ["onnx-int8", "onnx-fp32", "tensorflow"] as const) {
    const measured = await measure(fresh, engine, options);
    if (measured !== null) manifest.metrics[engine] = measured;
  }
  writeManifest(fresh, manifest);
  if (manifest.metrics["onnx-int8"] !== undefined) {
    writeFileSync(join(fresh, "MODEL_CARD.md"), modelCard(manifest));
  }
  // Files of the folder that are not the exporter's stay.
  mkdirSync(options.out, { recursive: true });
  for (const name of readdirSync(fresh)) renameSync(join(fresh, name), join(options.out, name));
  rmSync(fresh, { recursive: true });
  return { manifest, differences };
}

/** The last layer as it was trained: weights, features × 14, then 14 biases, as 32-bit floats. */
function bothHeads({ layers }: Architecture, values: ReadonlyMap<string, Float32Array>): Buffer {
  const dense = layers.find(({ op }) => op === "dense");
  const parts = ["kernel", "bias"].map((part) => values.get(`${dense?.name}/${part}`) ?? new Float32Array());
  return Buffer.concat(
    parts.map(({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength)),
  );
}

function writeManifest(folder: string, manifest: Manifest): void {
  writeFileSync(join(folder, MANIFEST_FILE), `${JSON.stringify(manifest, null, 2)}\n`);
}

function described(path: string, files: ReadonlyMap<string, Buffer>): ModelFile {
  const bytes = files.get(path);
  if (bytes === undefined) throw new Error(`no file ${path}`);
  return { path, sha256: createHash("sha256").update(bytes).digest("hex"), bytes: bytes.length };
}

/** Runs every engine that is there on the same faces, and the folded network in TensorFlow. */
async function compare(
  folder: string,
  network: InferenceNetwork,
  training: Dataset,
  window: number,
): Promise<Partial<Record<EngineName, number>>> {
  const faces = select(
    training,
    Array.from({ length: Math.min(CHECKED_FACES, training.count) }, (_, row) => row),
  );
  const reference = tf.tidy(() => {
    const rows = Array.from({ length: faces.count }, (_, row) => row);
    return foldedForward(network, plainBatch(faces.pixels, rows, network.inputSize, window)).dataSync();
  });
  const differences: Partial<Record<EngineName, number>> = {};
  for (const engine of ["onnx-fp32", "onnx-int8", "tensorflow"] as const) {
    const scores = await withEngine(folder, engine, (classifier) => probabilities(classifier, faces));
    if (scores === null) continue;
    let sum = 0;
    let largest = 0;
    scores.forEach((probability, i) => {
      const difference = Math.abs(probability - (reference[i] as number));
      sum += difference;
      largest = Math.max(largest, difference);
    });
    const mean = sum / scores.length;
    if (!(mean < MEAN_TOLERANCE[engine])) {
      throw new ExportMismatchError(
        `${engine} differs from the trained network by ${mean.toFixed(5)} on average`,
      );
    }
    differences[engine] = largest;
  }
  return differences;
}

async function measure(folder: string, engine: EngineName, { evaluation, people, head }: ExportOptions) {
  const [scores, peoplesScores] =
    (await withEngine(folder, engine, async (classifier) => [
      await probabilities(classifier, evaluation),
      people === undefined ? null : await probabilities(classifier, people),
    ])) ?? [];
  if (scores === undefined || scores === null) return null;
  const predicted = predictions(scores);
  const original = score(predicted, evaluation.labels);
  const ferplus = evaluation.votes === null ? null : score(predicted, majorities(evaluation));
  const likeliest = evaluation.votes === null ? evaluation.labels : pluralities(evaluation);
  return {
    split: evaluation.split,
    n: original.n,
    accuracy: round(original.accuracy),
    recall: byLabel((label) => round(original.recall[label] || 0)),
    ferplus: ferplus === null ? null : { n: ferplus.n, accuracy: round(ferplus.accuracy) },
    calibrationError: {
      before: round(head.calibrationError.before),
      after: round(calibrationError(scores, likeliest)),
    },
    ...(people === undefined || !peoplesScores ? {} : { people: peoplesFigures(people, peoplesScores) }),
  };
}

function peoplesFigures({ labels }: Dataset, scores: Float32Array) {
  const result = score(predictions(scores), labels);
  return {
    n: result.n,
    accuracy: round(result.accuracy),
    meanRecall: round(meanRecall(result)),
    recall: byLabel((label) => round(result.recall[label] || 0)),
    counts: byLabel((label) => labels.filter((own) => own === label).length),
    calibrationError: round(calibrationError(scores, Array.from(labels))),
  };
}

function byLabel(figure: (label: number) => number): Record<string, number> {
  return Object.fromEntries(EMOTION_LABELS.map((label, i) => [label, figure(i)]));
}

function round(value: number): number {
  return Math.round(value * 1e4) / 1e4;
}

async function withEngine<T>(
  folder: string,
  engine: EngineName,
  work: (classifier: Awaited<ReturnType<typeof loadClassifier>>) => Promise<T>,
): Promise<T | null> {
  let classifier: Awaited<ReturnType<typeof loadClassifier>>;
  try {
    classifier = await loadClassifier(resolve(folder), engine);
  } catch (error) {
    if (error instanceof EngineMissingError) return null;
    throw error;
  }
  try {
    return await work(classifier);
  } finally {
    await classifier.close();
  }
}
