import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Network } from "./network.js";
import type { Optimizer } from "./optimizer.js";
import type { Origin } from "./origin.js";
import { readTensorFile, writeTensorFile } from "./tensor-file.js";
import { type Tensor, tf } from "./tensorflow.js";

/** What an epoch came to; the history is part of the checkpoint and of the report. */
export interface EpochRecord {
  readonly epoch: number;
  readonly size: number;
  readonly loss: number;
  readonly learningRate: number;
  /** On the evaluation split, of the averaged weights: original labels, and FER+ majority if there are votes. */
  readonly accuracy: number;
  readonly ferplus: number | null;
  /** On the people that are kept apart: share right, and mean recall without fear. */
  readonly people?: { readonly accuracy: number; readonly recall: number };
  readonly seconds: number;
}

export interface Progress {
  readonly epoch: number;
  readonly random: number;
  readonly seed: number;
  readonly history: readonly EpochRecord[];
  readonly origin: Origin;
}

interface Header extends Progress {
  readonly architecture: string;
  readonly tensors: readonly {
    readonly kind: Kind;
    readonly name: string;
    readonly shape: readonly number[];
  }[];
}

type Kind = "weight" | "average" | "momentum";

/** A checkpoint cannot be read, or is another network's. */
export class CheckpointError extends Error {
  override readonly name = "CheckpointError";
}

const FILE = "checkpoint.bin";

export function hasCheckpoint(folder: string): boolean {
  return existsSync(join(folder, FILE));
}

/**
 * Writes weights, averages, momenta and random state. The file appears under its name only when it is whole and on
 * disk, so that a kill at any moment leaves the last one.
 */
export async function saveCheckpoint(
  folder: string,
  network: Network,
  optimizer: Optimizer,
  progress: Progress,
): Promise<void> {
  const entries: { kind: Kind; name: string; tensor: Tensor }[] = [];
  for (const { name, variable } of network.parameters) {
    entries.push({ kind: "weight", name, tensor: variable });
    entries.push({ kind: "average", name, tensor: found(optimizer.averages, name) });
    const momentum = optimizer.momenta.get(name);
    if (momentum !== undefined) entries.push({ kind: "momentum", name, tensor: momentum });
  }
  const header: Header = {
    ...progress,
    architecture: JSON.stringify(network.architecture),
    tensors: entries.map(({ kind, name, tensor }) => ({ kind, name, shape: tensor.shape })),
  };
  const tensors = entries.map(({ tensor }) => tensor);
  await writeTensorFile(join(folder, FILE), header, tensors);
}

/** Takes up a checkpoint's state into `network` and `optimizer`. */
export function loadCheckpoint(folder: string, network: Network, optimizer: Optimizer): Progress {
  const { header, next } = readTensorFile<Header>(join(folder, FILE));
  if (header.architecture !== JSON.stringify(network.architecture)) {
    throw new CheckpointError(
      `${join(folder, FILE)} is of another network; train into another --work, or start anew without --resume`,
    );
  }
  const variables = new Map(network.parameters.map(({ name, variable }) => [name, variable]));
  for (const { kind, name, shape } of header.tensors) {
    const tensor = tf.keep(next(shape));
    if (kind === "weight") {
      found(variables, name).assign(tensor);
      tensor.dispose();
    } else {
      const map = kind === "average" ? optimizer.averages : optimizer.momenta;
      map.get(name)?.dispose();
      map.set(name, tensor);
    }
  }
  return header;
}

function found<T>(map: ReadonlyMap<string, T>, name: string): T {
  const value = map.get(name);
  if (value === undefined) throw new CheckpointError(`no parameter ${name}`);
  return value;
}
