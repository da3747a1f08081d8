import { augmentedBatch, plainBatch } from "./augment.js";
import { type EpochRecord, loadCheckpoint, type Progress, saveCheckpoint } from "./checkpoint.js";
import type { Dataset } from "./data/dataset.js";
import { evenMix, mixed, OUTPUTS } from "./heads.js";
import { majorities, meanRecall, predictions, type Scores, score } from "./metrics.js";
import { type Batch, mixup } from "./mixup.js";
import { createNetwork, type Network } from "./network.js";
import { createOptimizer, type Optimizer } from "./optimizer.js";
import { learningRate } from "./optimizer-schedule.js";
import type { Origin } from "./origin.js";
import type { Preset } from "./presets.js";
import { createRandom } from "./random.js";
import { epochLength, epochRows, targets, taught, usableRows } from "./targets.js";
import { type Scalar, type Tensor, type Tensor2D, type Tensor4D, tf } from "./tensorflow.js";

export interface TrainOptions {
  readonly preset: Preset;
  readonly training: Dataset;
  readonly evaluation: Dataset;
  /** Faces of people whom the training set does not have, labelled as people see them. */
  readonly people?: Dataset | undefined;
  /** How long to train: so many epochs, or as many as fit into so many seconds; the learning rate follows either. */
  readonly extent: Extent;
  readonly seed: number;
  /** Folder of the checkpoints. */
  readonly folder: string;
  readonly resume: boolean;
  /** What it learns from beside the data; a resumed run has that of its checkpoint. */
  readonly origin: Origin;
  /** Gives the network its first weights, where they are not random. */
  readonly prepare?: (network: Network) => Promise<void>;
  /**
   * A teacher's answers about each training picture, `count` × 14, how much they count beside the labels, and about
   * how many of the rows, the first ones, it is asked.
   */
  readonly teacher?: { readonly answers: Float32Array; readonly share: number; readonly rows: number };
  /** Told the mean loss of the epoch so far, and the share of the run that is done, after each batch. */
  readonly onBatch?: (epoch: number, batch: number, batches: number, loss: number, done: number) => void;
  readonly onEpoch?: (record: EpochRecord) => void;
}

export type Extent = { readonly epochs: number } | { readonly seconds: number };

export interface Trained {
  readonly network: Network;
  readonly optimizer: Optimizer;
  readonly history: readonly EpochRecord[];
  readonly origin: Origin;
}

/** Trains to the last epoch, with a checkpoint after each; a run that was killed goes on with `resume`. */
export async function train(options: TrainOptions): Promise<Trained> {
  const { preset, training, seed } = options;
  const network = createNetwork(preset.architecture, createRandom(seed));
  if (!options.resume) await options.prepare?.(network);
  const optimizer = createOptimizer(network.parameters, preset);
  let progress: Progress = { epoch: 0, random: seed ^ 0x5eed, seed, history: [], origin: options.origin };
  if (options.resume) progress = loadCheckpoint(options.folder, network, optimizer);
  // Before the first epoch, too: in the place of another run's, which a kill would leave to be resumed.
  else await saveCheckpoint(options.folder, network, optimizer, progress);
  const { origin } = progress;

  const labelled = targets(training, preset.smoothing);
  const { teacher } = options;
  const wanted =
    teacher === undefined ? labelled : taught(labelled, teacher.answers, teacher.share, teacher.rows);
  const trainable = network.parameters.filter((parameter) => parameter.trainable);
  const variables = trainable.map(({ variable }) => variable);
  const mix = evenMix(training.votes !== null);
  const usable = usableRows(training);
  const batches = Math.max(1, Math.floor(epochLength(training, usable) / preset.batch));
  const { extent } = options;

  const random = createRandom(progress.random);
  const history = [...progress.history];
  const spentBefore = history.reduce((total, { seconds }) => total + seconds, 0);
  const start = performance.now();
  /** How much of the run is done after `steps` batches, 0 to 1. */
  const share = (steps: number) =>
    "epochs" in extent
      ? steps / (extent.epochs * batches)
      : (spentBefore + (performance.now() - start) / 1000) / extent.seconds;
  const nextBatch = (chosen: Int32Array, size: number, done: number): Batch =>
    tf.tidy(() => {
      const batch = {
        images: augmentedBatch(training.pixels, chosen, size, preset.window, preset.augmentation, random),
        labels: tf.tensor2d(gatherTargets(wanted, chosen), [chosen.length, OUTPUTS]),
      };
      return done < preset.mixup.until ? mixup(batch, preset.mixup.alpha, random) : batch;
    });
  for (let epoch = progress.epoch; share(epoch * batches) < 1; epoch++) {
    const began = performance.now();
    const done = share(epoch * batches);
    const size = preset.sizes.findLast(({ from }) => done >= from)?.size ?? preset.architecture.inputSize;
    const order = epochRows(training, usable, random);
    random.shuffle(order);
    let sum = 0;
    let rate = 0;
    let batch = 0;
    const whole = Math.min(batches, Math.max(1, Math.floor(order.length / preset.batch)));
    for (; batch < whole && (batch === 0 || share(epoch * batches + batch) < 1); batch++) {
      const chosen = order.subarray(batch * preset.batch, (batch + 1) * preset.batch);
      const { images, labels } = nextBatch(chosen, size, share(epoch * batches + batch));
      const dropout = preset.dropout > 0 ? { rate: preset.dropout, seed: random.below(2 ** 31) } : undefined;
      rate = learningRate(share(epoch * batches + batch + 1), preset.warmup, preset.learningRate);
      const loss = tf.tidy(() => {
        const { value, grads } = tf.variableGrads(
          () => twoHeadLoss(network.train(images, dropout), labels),
          variables,
        );
        const gradients = new Map(
          trainable.map(({ name, variable }) => [name, grads[variable.name] as Tensor]),
        );
        optimizer.step(epoch * batches + batch, gradients, rate);
        return value.dataSync()[0] as number;
      });
      tf.dispose([images, labels]);
      sum += loss;
      options.onBatch?.(epoch, batch, batches, sum / (batch + 1), share(epoch * batches + batch + 1));
      // Lets signals and the progress bar through.
      if (batch % 16 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    const { original, ferplus } = evaluate(network, optimizer.averages, options.evaluation, preset);
    const people =
      options.people && evaluate(network, optimizer.averages, options.people, preset, mix).original;
    const record: EpochRecord = {
      epoch: epoch + 1,
      size,
      loss: sum / batch,
      learningRate: rate,
      accuracy: original.accuracy,
      ferplus: ferplus?.accuracy ?? null,
      ...(people ? { people: { accuracy: people.accuracy, recall: meanRecall(people) } } : {}),
      seconds: (performance.now() - began) / 1000,
    };
    history.push(record);
    await saveCheckpoint(options.folder, network, optimizer, {
      epoch: epoch + 1,
      random: random.state(),
      seed,
      history,
      origin,
    });
    options.onEpoch?.(record);
  }
  return { network, optimizer, history, origin };
}

/** Cross-entropy of both heads, averaged; rows whose head has no target count nothing for it. */
function twoHeadLoss(logits: Tensor2D, labels: Tensor2D): Scalar {
  const [own, votes] = tf.split(logits, 2, 1) as [Tensor2D, Tensor2D];
  const logProbabilities = tf.concat([tf.logSoftmax(own), tf.logSoftmax(votes)], 1);
  return tf.mul(tf.mean(tf.sum(tf.mul(labels, logProbabilities), 1)), -0.5) as Scalar;
}

function gatherTargets(all: Float32Array, rows: Int32Array): Float32Array {
  const values = new Float32Array(rows.length * OUTPUTS);
  rows.forEach((row, i) => {
    values.set(all.subarray(row * OUTPUTS, (row + 1) * OUTPUTS), i * OUTPUTS);
  });
  return values;
}

/** Logits of both heads for every row, `count` × 14. */
export function logits(
  network: Network,
  values: ReadonlyMap<string, Tensor>,
  dataset: Dataset,
  preset: Preset,
): Float32Array {
  const all = new Float32Array(dataset.count * OUTPUTS);
  for (let from = 0; from < dataset.count; from += 256) {
    const rows = Array.from({ length: Math.min(256, dataset.count - from) }, (_, i) => from + i);
    tf.tidy(() => {
      const images: Tensor4D = plainBatch(dataset.pixels, rows, preset.architecture.inputSize, preset.window);
      all.set(network.infer(images, values).dataSync(), from * OUTPUTS);
    });
  }
  return all;
}

/** How right the averaged weights are, both heads counting the same. */
export function evaluate(
  network: Network,
  values: ReadonlyMap<string, Tensor>,
  dataset: Dataset,
  preset: Preset,
  mix = evenMix(dataset.votes !== null),
): { readonly original: Scores; readonly ferplus: Scores | null } {
  const predicted = predictions(mixed(logits(network, values, dataset, preset), mix));
  return {
    original: score(predicted, dataset.labels),
    ferplus: dataset.votes === null ? null : score(predicted, majorities(dataset)),
  };
}
