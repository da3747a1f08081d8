import { type Tensor, type Tensor4D, tf } from "../tensorflow.js";
import { convolve } from "./folded-forward.js";
import type { InferenceConv, InferenceNetwork } from "./inference.js";
import { fromOihw, toOihw } from "./kernel-order.js";
import { quantizeWeights, type Range, rangeToScale } from "./quantize.js";

/**
 * The network with biases that take out what rounding weights and outputs moves each channel by on average (Nagel et
 * al. 2019, arXiv 1906.04721, section 4.2): measured on `images`, layer after layer, each after those before it.
 *
 * @param images normalized training faces, N × S × S × 1
 * @param ranges of each layer's output, as the int8 model will have them
 */
export function correctBiases(
  network: InferenceNetwork,
  images: Tensor4D,
  ranges: ReadonlyMap<string, Range>,
): InferenceNetwork {
  const layers = [...network.layers];
  tf.tidy(() => {
    const exact = new Map([["input", images]]);
    const rounded = new Map(exact);
    const output = (of: Map<string, Tensor4D>, name: string) => of.get(name) as Tensor4D;
    for (const [index, layer] of network.layers.entries()) {
      const range = ranges.get(layer.name);
      // The last layers are float in the int8 model, too.
      if (range === undefined || (layer.op !== "conv" && layer.op !== "add")) continue;
      const [wanted, found] = tf.tidy((): [Tensor4D, Tensor4D] => {
        if (layer.op === "add") {
          const sum = (of: Map<string, Tensor4D>) =>
            tf.relu(tf.add(output(of, layer.a), output(of, layer.b))) as Tensor4D;
          return [sum(exact), asRounded(sum(rounded), range)];
        }
        const sum = convolve(output(exact, layer.input), layer);
        const off = convolve(output(rounded, layer.input), layer, asQuantized(layer));
        const shift = tf.mean(tf.sub(sum, off), [0, 1, 2]);
        const shifts = shift.dataSync();
        layers[index] = { ...layer, bias: layer.bias.map((bias, c) => bias + (shifts[c] as number)) };
        const corrected = tf.add(off, shift) as Tensor4D;
        return layer.relu
          ? [tf.relu(sum), asRounded(tf.relu(corrected), range)]
          : [sum, asRounded(corrected, range)];
      });
      exact.set(layer.name, wanted);
      rounded.set(layer.name, found);
    }
  });
  return { ...network, layers };
}

/** The layer's weights as the int8 model has them. */
function asQuantized(layer: InferenceConv): Float32Array {
  const { values, scales } = quantizeWeights(toOihw(layer.weights, layer), layer.outChannels);
  const each = values.length / layer.outChannels;
  const real = Float32Array.from(values, (value, i) => value * (scales[Math.floor(i / each)] as number));
  return fromOihw(real, layer);
}

/** A layer's output as the int8 model has it. */
function asRounded(value: Tensor, range: Range): Tensor4D {
  const { scale, zeroPoint } = rangeToScale(range);
  const whole = tf.clipByValue(tf.add(tf.round(tf.div(value, scale)), zeroPoint), 0, 255);
  return tf.mul(tf.sub(whole, zeroPoint), scale) as Tensor4D;
}
