import { type Architecture, BATCH_NORM_EPSILON, FEATURE_SCALE, shapeOf, shapes } from "./architecture.js";
import type { Random } from "./random.js";
import {
  addRelu,
  batchNormTraining,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  type Tensor4D,
  tf,
  type Variable,
} from "./tensorflow.js";

/** How much of the running mean and variance is kept at each step. */
const RUNNING_MOMENTUM = 0.95;

/** One variable of a network, in the order in which checkpoints store them. */
export interface Parameter {
  readonly name: string;
  readonly variable: Variable;
  /** Running statistics are not trained. */
  readonly trainable: boolean;
  /** Weight decay is for weights alone, not for biases and batch norm. */
  readonly decay: boolean;
}

/** Which of the features that the last layer sees are left out in a step: a share of them, drawn by the seed. */
export interface Dropout {
  readonly rate: number;
  readonly seed: number;
}

/** A network in training: its variables and its forward pass. */
export interface Network {
  readonly architecture: Architecture;
  readonly parameters: readonly Parameter[];
  /** Logits with this batch's statistics; the running averages move on. Its gradient is fused. */
  train(images: Tensor4D, dropout?: Dropout): Tensor2D;
  /** Logits with the running averages, from `values` in the place of the variables if given (the EMA). */
  infer(images: Tensor4D, values?: ReadonlyMap<string, Tensor>): Tensor2D;
}

/** Builds the variables: He-normal weights from `random`, zero running mean, unit variance. */
export function createNetwork(architecture: Architecture, random: Random): Network {
  const known = shapes(architecture);
  const parameters: Parameter[] = [];
  const byName = new Map<string, Variable>();
  const define = (name: string, value: Tensor, trainable: boolean, decay: boolean) => {
    const variable = tf.variable(value, trainable);
    value.dispose();
    parameters.push({ name, variable, trainable, decay });
    byName.set(name, variable);
  };
  for (const layer of architecture.layers) {
    if (layer.op === "conv") {
      const fanIn = layer.kernel ** 2 * shapeOf(known, layer.input).channels;
      const shape = [layer.kernel, layer.kernel, shapeOf(known, layer.input).channels, layer.filters];
      define(`${layer.name}/kernel`, normal(shape, Math.sqrt(2 / fanIn), random), true, true);
      // Not 0 for the last of a branch, as larger networks like it (arXiv 1706.02677): what the shortcuts alone let
      // through a stride says little about a face, and four times the steps were needed.
      define(`${layer.name}/gamma`, tf.ones([layer.filters]), true, false);
      define(`${layer.name}/beta`, tf.zeros([layer.filters]), true, false);
      define(`${layer.name}/mean`, tf.zeros([layer.filters]), false, false);
      define(`${layer.name}/variance`, tf.ones([layer.filters]), false, false);
    } else if (layer.op === "dense") {
      const { channels } = shapeOf(known, layer.input);
      define(
        `${layer.name}/kernel`,
        normal([channels, layer.units], Math.sqrt(1 / channels), random),
        true,
        true,
      );
      define(`${layer.name}/bias`, tf.zeros([layer.units]), true, false);
    }
  }
  const variable = (name: string): Variable => {
    const found = byName.get(name);
    if (found === undefined) throw new Error(`no parameter ${name}`);
    return found;
  };

  const forward = (
    images: Tensor4D,
    training: boolean,
    value: (name: string) => Tensor,
    dropout?: Dropout,
  ): Tensor2D => {
    const outputs = new Map<string, Tensor>([["input", images]]);
    const output = (name: string): Tensor4D => outputs.get(name) as Tensor4D;
    for (const layer of architecture.layers) {
      switch (layer.op) {
        case "conv": {
          const x = tf.conv2d(
            output(layer.input),
            value(`${layer.name}/kernel`) as Tensor4D,
            layer.stride,
            "same",
          );
          const gamma = value(`${layer.name}/gamma`) as Tensor1D;
          const beta = value(`${layer.name}/beta`) as Tensor1D;
          if (training) {
            const { y, mean, variance } = batchNormTraining(x, gamma, beta, BATCH_NORM_EPSILON, layer.relu);
            runningAverage(variable(`${layer.name}/mean`), mean);
            runningAverage(variable(`${layer.name}/variance`), variance);
            outputs.set(layer.name, y);
          } else {
            const mean = value(`${layer.name}/mean`) as Tensor1D;
            const y = tf.batchNorm4d(
              x,
              mean,
              value(`${layer.name}/variance`) as Tensor1D,
              beta,
              gamma,
              BATCH_NORM_EPSILON,
            );
            outputs.set(layer.name, layer.relu ? tf.relu(y) : y);
          }
          break;
        }
        case "add":
          outputs.set(layer.name, addRelu(output(layer.a), output(layer.b)));
          break;
        case "flatten": {
          const row = tf.mul(tf.reshape(output(layer.input), [images.shape[0], -1]), FEATURE_SCALE);
          outputs.set(
            layer.name,
            dropout === undefined ? row : tf.dropout(row, dropout.rate, undefined, dropout.seed),
          );
          break;
        }
        case "dense": {
          const x = outputs.get(layer.input) as Tensor2D;
          outputs.set(
            layer.name,
            tf.add(tf.matMul(x, value(`${layer.name}/kernel`) as Tensor2D), value(`${layer.name}/bias`)),
          );
          break;
        }
      }
    }
    const last = architecture.layers.at(-1);
    return outputs.get(last?.name ?? "input") as Tensor2D;
  };

  return {
    architecture,
    parameters,
    train: (images, dropout) => forward(images, true, variable, dropout),
    infer: (images, values) =>
      tf.tidy(() => forward(images, false, (name) => values?.get(name) ?? variable(name))),
  };
}

function runningAverage(running: Variable, batch: Tensor1D): void {
  const next = tf.tidy(() => tf.add(tf.mul(running, RUNNING_MOMENTUM), tf.mul(batch, 1 - RUNNING_MOMENTUM)));
  running.assign(next);
  next.dispose();
  batch.dispose();
}

function normal(shape: number[], deviation: number, random: Random): Tensor {
  const values = new Float32Array(shape.reduce((product, size) => product * size, 1));
  for (let i = 0; i < values.length; i++) values[i] = random.normal() * deviation;
  return tf.tensor(values, shape);
}
