import { existsSync } from "node:fs";
import { join } from "node:path";
import { CheckpointError, type EpochRecord } from "./checkpoint.js";
import { readTensorFile, writeTensorFile } from "./tensor-file.js";
import { type Tensor, tf } from "./tensorflow.js";

/** A model of layers whose weights can be taken and put back, all in one order. */
interface Weighted {
  getWeights(): Tensor[];
  setWeights(weights: Tensor[]): void;
}

interface Header {
  readonly history: readonly EpochRecord[];
  readonly shapes: readonly (readonly number[])[];
}

const FILE = "seed-checkpoint.bin";

/** Writes the weights and what has been so far; plain SGD has no other state. A kill at any moment leaves the last one. */
export async function saveSeed(
  folder: string,
  model: Weighted,
  history: readonly EpochRecord[],
): Promise<void> {
  const weights = model.getWeights();
  const header: Header = { history, shapes: weights.map(({ shape }) => shape) };
  await writeTensorFile(join(folder, FILE), header, weights);
}

/**
 * Puts the last checkpoint's weights into the model.
 *
 * @returns what the epochs so far came to.
 * @throws CheckpointError when there is none, or it is another model's.
 */
export function loadSeed(folder: string, model: Weighted): EpochRecord[] {
  const path = join(folder, FILE);
  if (!existsSync(path)) throw new CheckpointError(`--resume: there is no checkpoint in ${folder}`);
  const { header, next } = readTensorFile<Header>(path);
  const { history, shapes } = header;
  if (JSON.stringify(shapes) !== JSON.stringify(model.getWeights().map(({ shape }) => shape))) {
    throw new CheckpointError(`${path} is of another network; start anew without --resume`);
  }
  const weights = shapes.map(next);
  model.setWeights(weights);
  tf.dispose(weights);
  return [...history];
}
