import { readManifest, readModelFile } from "../../src/emotion/manifest.js";
import { BATCH_NORM_EPSILON, type ConvLayer, shapeOf, shapes } from "./architecture.js";
import { plainBatch } from "./augment.js";
import type { Dataset } from "./data/dataset.js";
import { fromOihw } from "./export/kernel-order.js";
import { readFloats } from "./export/read-onnx.js";
import { OUTPUTS } from "./heads.js";
import type { Network } from "./network.js";
import { createRandom } from "./random.js";
import { type Tensor, type Tensor4D, tf } from "./tensorflow.js";

/** The exported model cannot start this network. */
export class InitError extends Error {
  override readonly name = "InitError";
}

/** Faces from which the batch norms' statistics are taken. */
const FACES = 512;

/**
 * Sets a network's variables so that it computes what the exported model in `folder` does.
 *
 * An exported model has its batch norms folded away. They come back from data: the mean and variance of each
 * convolution over training faces become its statistics, and scale and offset are set to undo them. The two heads,
 * merged in the models, are in a file of their own.
 */
export async function initialize(
  network: Network,
  folder: string,
  training: Dataset,
  window: number,
): Promise<void> {
  const manifest = await readManifest(folder);
  const file = manifest.files["onnx-fp32"];
  const headsFile = manifest.files.heads;
  if (file === undefined || headsFile === undefined) {
    throw new InitError(`${folder} has no onnx-fp32 and heads files to start from`);
  }
  const weights = readFloats(await readModelFile(folder, file));
  const bytes = await readModelFile(folder, headsFile);
  const heads = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
  const { architecture } = network;
  const known = shapes(architecture);
  const take = (name: string, length: number): Float32Array => {
    const values = weights.get(name);
    if (values?.length !== length) {
      throw new InitError(
        `${folder} holds another network than preset ${architecture.name}: ${name} has ${values?.length ?? 0} values, not ${length}`,
      );
    }
    return values;
  };
  const set = (name: string, values: Float32Array) => {
    const variable = network.parameters.find((parameter) => parameter.name === name)?.variable;
    if (variable === undefined) throw new InitError(`no parameter ${name}`);
    tf.tidy(() => {
      variable.assign(tf.tensor(values, variable.shape));
    });
  };
  for (const layer of architecture.layers) {
    if (layer.op === "conv") {
      const { channels } = shapeOf(known, layer.input);
      const kernel = take(`${layer.name}/weights`, layer.kernel ** 2 * channels * layer.filters);
      set(
        `${layer.name}/kernel`,
        fromOihw(kernel, { kernel: layer.kernel, inChannels: channels, outChannels: layer.filters }),
      );
    } else if (layer.op === "dense") {
      const count = shapeOf(known, layer.input).channels * OUTPUTS;
      if (heads.length !== count + OUTPUTS)
        throw new InitError(`${folder}/${headsFile.path} is another network's`);
      set(`${layer.name}/kernel`, heads.slice(0, count));
      set(`${layer.name}/bias`, heads.slice(count));
    }
  }
  const random = createRandom(11);
  const rows = Array.from({ length: FACES }, () => random.below(training.count));
  const images = plainBatch(training.pixels, rows, architecture.inputSize, window);
  restoreBatchNorms(network, images, (layer) => take(`${layer.name}/bias`, layer.filters));
  images.dispose();
}

/** Runs the pictures through layer by layer, and sets each batch norm to what its convolution gives. */
function restoreBatchNorms(
  network: Network,
  images: Tensor4D,
  biasOf: (layer: ConvLayer) => Float32Array,
): void {
  const variable = (name: string) => {
    const found = network.parameters.find((parameter) => parameter.name === name)?.variable;
    if (found === undefined) throw new InitError(`no parameter ${name}`);
    return found;
  };
  tf.tidy(() => {
    const outputs = new Map<string, Tensor4D>([["input", images]]);
    const output = (name: string) => outputs.get(name) as Tensor4D;
    for (const layer of network.architecture.layers) {
      if (layer.op === "conv") {
        const kernel = variable(`${layer.name}/kernel`) as unknown as Tensor4D;
        const sum = tf.conv2d(output(layer.input), kernel, layer.stride, "same");
        const { mean, variance } = tf.moments(sum, [0, 1, 2]);
        const bias = tf.tensor1d(biasOf(layer));
        // Each filter at the length that He's start has: the batch norm takes the length out again, but how far a step
        // of the optimizer turns a filter depends on it, and folding left it at anything.
        const length = tf.sqrt(tf.sum(tf.square(kernel), [0, 1, 2]));
        const scale = tf.div(Math.SQRT2, tf.maximum(length, 1e-6));
        const scaled = tf.mul(variance, tf.square(scale));
        assign(variable(`${layer.name}/kernel`), tf.mul(kernel, scale));
        assign(variable(`${layer.name}/mean`), tf.mul(mean, scale));
        assign(variable(`${layer.name}/variance`), scaled);
        assign(variable(`${layer.name}/gamma`), tf.div(tf.sqrt(tf.add(scaled, BATCH_NORM_EPSILON)), scale));
        assign(variable(`${layer.name}/beta`), tf.add(mean, bias));
        const y = tf.add(sum, bias) as Tensor4D;
        outputs.set(layer.name, layer.relu ? tf.relu(y) : y);
      } else if (layer.op === "add") {
        outputs.set(layer.name, tf.relu(tf.add(output(layer.a), output(layer.b))));
      }
    }
  });
}

function assign(variable: { assign(value: Tensor): void }, value: Tensor): void {
  variable.assign(value);
}
