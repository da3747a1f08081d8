import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EMOTION_COUNT } from "../../src/base/labels.js";
import type { EpochRecord } from "./checkpoint.js";
import type { TrainCommand } from "./command.js";
import { confusionPicture } from "./confusion-picture.js";
import { type Dataset, PICTURE_PIXELS, PICTURE_SIZE } from "./data/dataset.js";
import type { TrainingData } from "./data/load.js";
import { majorities, predictions, type Scores, score } from "./metrics.js";
import { duration } from "./progress.js";
import { createRandom } from "./random.js";
import { reportPage } from "./report.js";
import { loadSeed, saveSeed } from "./seed-checkpoint.js";
import { tensorBoard } from "./tensorboard.js";
import { type Tensor, type Tensor2D, type Tensor4D, tf } from "./tensorflow.js";

const EPOCHS = 15;
const BATCH = 64;
/** Binary cross-entropy is a mean over seven outputs: its slopes are a seventh of what the usual 0.05 is meant for. */
const LEARNING_RATE = 0.35;

/**
 * The tutorial's own system, to compare with: a generator of 48 × 48 grey pictures over 255, convolution, max-pooling,
 * dense layers and dropout, trained by plain SGD on binary cross-entropy. The model, its figures and its
 * report are written to the work folder.
 */
export async function trainSeed(command: TrainCommand, data: TrainingData): Promise<void> {
  const epochs = command.epochs ?? EPOCHS;
  const model = seedModel(command.seed);
  model.compile({
    optimizer: tf.train.sgd(command.learningRate ?? LEARNING_RATE),
    loss: "binaryCrossentropy",
    metrics: ["accuracy"],
  });
  const board = tensorBoard(command.work);
  const history = command.resume ? loadSeed(command.work, model) : [];
  const done = history.length;
  if (!command.resume) await saveSeed(command.work, model, history);
  const { training, evaluation } = data;
  let began = performance.now();
  await model.fitDataset(
    tf.data.generator(() => batches(training, command.seed, done)),
    {
      epochs: Math.max(epochs, done),
      initialEpoch: done,
      batchesPerEpoch: Math.floor(training.count / BATCH),
      verbose: process.stderr.isTTY ? 1 : 0,
      callbacks: {
        onEpochEnd: async (epoch, logs) => {
          const { original, ferplus } = scores(model, evaluation);
          const record: EpochRecord = {
            epoch: epoch + 1,
            size: PICTURE_SIZE,
            loss: Number(logs?.loss),
            learningRate: command.learningRate ?? LEARNING_RATE,
            accuracy: original.accuracy,
            ferplus: ferplus?.accuracy ?? null,
            seconds: (performance.now() - began) / 1000,
          };
          history.push(record);
          await saveSeed(command.work, model, history);
          board(record);
          console.log(
            `epoch ${String(epoch + 1).padStart(3)}/${epochs}  loss ${record.loss.toFixed(4)}  ` +
              `${evaluation.split} ${(record.accuracy * 100).toFixed(2)} %  ${duration(record.seconds * 1000)}`,
          );
          began = performance.now();
        },
      },
    },
  );
  const { original, ferplus } = scores(model, evaluation);
  mkdirSync(command.work, { recursive: true });
  await model.save(`file://${join(command.work, "model")}`);
  const figures = { epochs, split: evaluation.split, original, ferplus };
  writeFileSync(join(command.work, "seed-figures.json"), `${JSON.stringify(figures, null, 2)}\n`);
  writeFileSync(join(command.work, "confusion.svg"), confusionPicture("The tutorial's network", original));
  const page = reportPage({
    title: "The tutorial's network",
    facts: [
      [`${evaluation.split}, original labels`, `${(original.accuracy * 100).toFixed(1)} %`],
      ["Parameters", `${(model.countParams() / 1e6).toFixed(2)} M`],
      ["Epochs", String(epochs)],
    ],
    history,
    original,
    ferplus,
  });
  const file = join(command.work, "report.html");
  writeFileSync(`${file}.new`, page);
  renameSync(`${file}.new`, file);
  console.log(
    `${evaluation.split} ${(original.accuracy * 100).toFixed(2)} % after ${epochs} epochs; report: ${file}`,
  );
}

function seedModel(seed: number) {
  const { layers } = tf;
  const dropout = (rate: number, number: number) => layers.dropout({ rate, seed: seed + number });
  const initializer = (number: number) => tf.initializers.heNormal({ seed: seed + number });
  const conv = (filters: number, number: number) =>
    layers.conv2d({
      filters,
      kernelSize: 3,
      activation: "relu",
      padding: "same",
      kernelInitializer: initializer(number),
    });
  return tf.sequential({
    layers: [
      layers.conv2d({
        inputShape: [PICTURE_SIZE, PICTURE_SIZE, 1],
        filters: 32,
        kernelSize: 3,
        activation: "relu",
        padding: "same",
        kernelInitializer: initializer(4),
      }),
      layers.maxPooling2d({ poolSize: 2 }),
      conv(64, 5),
      layers.maxPooling2d({ poolSize: 2 }),
      dropout(0.25, 1),
      conv(128, 6),
      layers.maxPooling2d({ poolSize: 2 }),
      dropout(0.25, 2),
      layers.flatten(),
      layers.dense({ units: 256, activation: "relu", kernelInitializer: initializer(7) }),
      dropout(0.5, 3),
      layers.dense({
        units: EMOTION_COUNT,
        activation: "softmax",
        kernelInitializer: tf.initializers.glorotNormal({ seed: seed + 8 }),
      }),
    ],
  });
}

/**
 * The generator: without end, every row once an epoch, in a new order, as pictures over 255 and one-hot labels.
 *
 * @param done epochs that were gone through before.
 */
function* batches(dataset: Dataset, seed: number, done: number): Generator<{ xs: Tensor; ys: Tensor }> {
  const random = createRandom(seed);
  const order = Int32Array.from({ length: dataset.count }, (_, row) => row);
  for (let epoch = 0; epoch < done; epoch++) random.shuffle(order);
  for (;;) {
    random.shuffle(order);
    for (let from = 0; from + BATCH <= order.length; from += BATCH) {
      const rows = order.subarray(from, from + BATCH);
      yield { xs: pictures(dataset, rows), ys: oneHot(dataset, rows) };
    }
  }
}

function oneHot({ labels }: Dataset, rows: Int32Array): Tensor {
  return tf.tidy(() => {
    const indices = tf.tensor1d(
      rows.map((row) => labels[row] as number),
      "int32",
    );
    return tf.oneHot(indices, EMOTION_COUNT);
  });
}

function pictures(dataset: Dataset, rows: ArrayLike<number>): Tensor4D {
  const values = new Float32Array(rows.length * PICTURE_PIXELS);
  for (let i = 0; i < rows.length; i++) {
    const from = (rows[i] as number) * PICTURE_PIXELS;
    for (let p = 0; p < PICTURE_PIXELS; p++)
      values[i * PICTURE_PIXELS + p] = (dataset.pixels[from + p] as number) / 255;
  }
  return tf.tensor4d(values, [rows.length, PICTURE_SIZE, PICTURE_SIZE, 1]);
}

function scores(
  model: ReturnType<typeof seedModel>,
  dataset: Dataset,
): { readonly original: Scores; readonly ferplus: Scores | null } {
  const all = new Float32Array(dataset.count * EMOTION_COUNT);
  for (let from = 0; from < dataset.count; from += 256) {
    const rows = Array.from({ length: Math.min(256, dataset.count - from) }, (_, i) => from + i);
    tf.tidy(() => {
      all.set((model.predict(pictures(dataset, rows)) as Tensor2D).dataSync(), from * EMOTION_COUNT);
    });
  }
  const predicted = predictions(all);
  return {
    original: score(predicted, dataset.labels),
    ferplus: dataset.votes === null ? null : score(predicted, majorities(dataset)),
  };
}
