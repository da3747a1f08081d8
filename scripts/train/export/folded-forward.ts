import { EMOTION_COUNT } from "../../../src/base/labels.js";
import { plainBatch } from "../augment.js";
import { type Tensor, type Tensor2D, type Tensor4D, tf } from "../tensorflow.js";
import type { InferenceConv, InferenceNetwork } from "./inference.js";
import { bestRange, type Range } from "./quantize.js";

/**
 * Runs the folded network in TensorFlow: the reference that the exported files are checked against.
 *
 * @param images normalized, N × S × S × 1
 * @param see is shown each layer's output
 * @returns N × 7 probabilities
 */
export function foldedForward(
  network: InferenceNetwork,
  images: Tensor4D,
  see: (name: string, output: Tensor) => void = () => undefined,
): Tensor2D {
  return tf.tidy(() => {
    const outputs = new Map<string, Tensor>([["input", images]]);
    const from = (name: string) => outputs.get(name) as Tensor4D;
    let last: Tensor = images;
    for (const layer of network.layers) {
      switch (layer.op) {
        case "conv": {
          const sum = convolve(from(layer.input), layer);
          last = layer.relu ? tf.relu(sum) : sum;
          break;
        }
        case "add":
          last = tf.relu(tf.add(from(layer.a), from(layer.b)));
          break;
        case "flatten":
          last = tf.reshape(from(layer.input), [images.shape[0], -1]);
          break;
        case "dense": {
          const features = outputs.get(layer.input) as Tensor2D;
          const heads = layer.heads.map(({ share, weights, bias }) => {
            const matrix = tf.tensor2d(weights, [layer.inputs, EMOTION_COUNT]);
            return tf.mul(tf.softmax(tf.add(tf.matMul(features, matrix), tf.tensor1d(bias))), share);
          });
          const sum = tf.addN(heads);
          last = heads.length === 1 ? sum : tf.softmax(tf.mul(tf.log(sum), layer.sharpness));
          break;
        }
      }
      see(layer.name, last);
      outputs.set(layer.name, last);
    }
    return last as Tensor2D;
  });
}

/** A folded convolution with its bias, before ReLU; with other weights than its own if given. */
export function convolve(input: Tensor4D, layer: InferenceConv, weights = layer.weights): Tensor4D {
  const { kernel, inChannels, outChannels } = layer;
  const matrix = tf.tensor4d(weights, [kernel, kernel, inChannels, outChannels]);
  return tf.add(tf.conv2d(input, matrix, layer.stride, "same"), tf.tensor1d(layer.bias));
}

/** The range of each layer's outputs over some pictures, for the int8 model. */
export function measureRanges(
  network: InferenceNetwork,
  pixels: Uint8Array,
  rows: readonly number[],
  window: number,
): Map<string, Range> {
  const samples = new Map<string, Float32Array[]>();
  for (let from = 0; from < rows.length; from += 64) {
    const images = plainBatch(pixels, rows.slice(from, from + 64), network.inputSize, window);
    foldedForward(network, images, (name, output) => {
      const list = samples.get(name) ?? [];
      list.push(output.dataSync() as Float32Array);
      samples.set(name, list);
    }).dispose();
    images.dispose();
  }
  const quantized = network.layers.filter(({ op }) => op === "conv" || op === "add");
  return new Map(quantized.map(({ name }) => [name, bestRange(joined(samples.get(name) ?? []))]));
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
