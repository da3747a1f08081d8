import { type Tensor, type Tensor1D, type Tensor4D, tf } from "../tensorflow.js";
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
export async function correctBiases(
  network: InferenceNetwork,
  images: Tensor4D,
  ranges: ReadonlyMap<string, Range>,
): Promise<InferenceNetwork> {
  const exact = new Map<string, Tensor4D>([["input", images]]);
  const rounded = new Map<string, Tensor4D>([["input", images]]);
  const output = (of: Map<string, Tensor4D>, name: string) => of.get(name) as Tensor4D;
  const layers = [...network.layers];
  for (const [index, layer] of network.layers.entries()) {
    const range = ranges.get(layer.name);
    if (layer.op === "conv" && range !== undefined) {
      const [plain, sum, shift] = tf.tidy(() => {
        const wanted = convolve(output(exact, layer.input), layer);
        const found = convolve(output(rounded, layer.input), layer, asQuantized(layer));
        const moved = tf.mean(tf.sub(wanted, found), [0, 1, 2]) as Tensor1D;
        return [wanted, tf.add(found, moved) as Tensor4D, moved];
      });
      const correction = (await shift.data()) as Float32Array;
      layers[index] = { ...layer, bias: layer.bias.map((bias, c) => bias + (correction[c] as number)) };
      exact.set(layer.name, layer.relu ? tf.relu(plain) : plain);
      rounded.set(
        layer.name,
        tf.tidy(() => asRounded(layer.relu ? tf.relu(sum) : sum, range)),
      );
      tf.dispose(layer.relu ? [plain, sum, shift] : [sum, shift]);
    } else if (layer.op === "add" && range !== undefined) {
      const sum = (of: Map<string, Tensor4D>) => tf.relu(tf.add(output(of, layer.a), output(of, layer.b)));
      exact.set(
        layer.name,
        tf.tidy(() => sum(exact) as Tensor4D),
      );
      rounded.set(
        layer.name,
        tf.tidy(() => asRounded(sum(rounded), range)),
      );
    }
  }
  exact.delete("input");
  rounded.delete("input");
  tf.dispose([...exact.values(), ...rounded.values()]);
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
