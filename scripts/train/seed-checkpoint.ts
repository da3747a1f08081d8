import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { join } from "node:path";
import { CheckpointError, type EpochRecord } from "./checkpoint.js";
import { type Tensor, tf } from "./tensorflow.js";

/** A model of layers whose weights can be taken and put back, all in one order. */
interface Weighted {
  getWeights(): Tensor[];
  setWeights(weights: Tensor[]): void;
}

const FILE = "seed-checkpoint.bin";

/** Writes the weights and what has been so far; plain SGD has no other state. A kill at any moment leaves the last one. */
export async function saveSeed(
  folder: string,
  model: Weighted,
  history: readonly EpochRecord[],
): Promise<void> {
  const weights = model.getWeights();
  const header = Buffer.from(JSON.stringify({ history, shapes: weights.map(({ shape }) => shape) }));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(header.length);
  const path = join(folder, FILE);
  const file = openSync(`${path}.new`, "w");
  try {
    writeSync(file, length);
    writeSync(file, header);
    for (const weight of weights) {
      const values = (await weight.data()) as Float32Array;
      writeSync(file, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    }
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(`${path}.new`, path);
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
  const bytes = readFileSync(path);
  const start = 4 + bytes.readUInt32LE(0);
  const { history, shapes } = JSON.parse(bytes.toString("utf8", 4, start)) as {
    history: EpochRecord[];
    shapes: number[][];
  };
  if (JSON.stringify(shapes) !== JSON.stringify(model.getWeights().map(({ shape }) => shape))) {
    throw new CheckpointError(`${path} is of another network; start anew without --resume`);
  }
  let at = start;
  const weights = shapes.map((shape) => {
    const size = 4 * shape.reduce((product, side) => product * side, 1);
    const values = new Float32Array(bytes.buffer.slice(bytes.byteOffset + at, bytes.byteOffset + at + size));
    at += size;
    return tf.tensor(values, shape);
  });
  model.setWeights(weights);
  tf.dispose(weights);
  return history;
}
