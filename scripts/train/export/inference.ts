import {
  type Architecture,
  BATCH_NORM_EPSILON,
  FEATURE_SCALE,
  type Layer,
  shapeOf,
  shapes,
} from "../architecture.js";
import { type Head, headOf, type Mix } from "../heads.js";

/** A network as it computes on the device: batch norm folded, probabilities out. */
export interface InferenceNetwork {
  readonly name: string;
  readonly inputSize: number;
  readonly layers: readonly InferenceLayer[];
}

export type InferenceLayer = InferenceConv | InferenceAdd | InferenceFlatten | InferenceDense;

export interface InferenceConv {
  readonly op: "conv";
  readonly name: string;
  readonly input: string;
  readonly stride: number;
  readonly relu: boolean;
  readonly kernel: number;
  readonly inChannels: number;
  readonly outChannels: number;
  readonly inSide: number;
  readonly outSide: number;
  /** kernel × kernel × in × out, TensorFlow's order. */
  readonly weights: Float32Array;
  readonly bias: Float32Array;
}

export interface InferenceAdd {
  readonly op: "add";
  readonly name: string;
  readonly a: string;
  readonly b: string;
}

export interface InferenceFlatten {
  readonly op: "flatten";
  readonly name: string;
  readonly input: string;
  readonly side: number;
  readonly channels: number;
}

/**
 * Heads, each a dense layer and softmax. One alone gives the probabilities; of several, the sum of what they make
 * probable is raised to `sharpness`, and made to sum to 1 again.
 */
export interface InferenceDense {
  readonly op: "dense";
  readonly name: string;
  readonly input: string;
  readonly inputs: number;
  readonly heads: readonly InferenceHead[];
  readonly sharpness: number;
}

export interface InferenceHead {
  readonly name: string;
  /** How much it counts in the sum; all heads' together are 1. */
  readonly share: number;
  /** `inputs` × 7, inputs in the order row, column, channel. */
  readonly weights: Float32Array;
  readonly bias: Float32Array;
}

/** Zero padding before and after, in TensorFlow's SAME: the odd pixel goes after. */
export function samePadding(
  side: number,
  kernel: number,
  stride: number,
): readonly [before: number, after: number] {
  const out = Math.ceil(side / stride);
  const total = Math.max((out - 1) * stride + kernel - side, 0);
  return [Math.floor(total / 2), Math.ceil(total / 2)];
}

/** Folds batch norm into the convolutions, and the temperature of a head that stands alone into its layer. */
export function fold(
  architecture: Architecture,
  values: ReadonlyMap<string, Float32Array>,
  mix: Mix,
): InferenceNetwork {
  const known = shapes(architecture);
  const value = (name: string): Float32Array => {
    const found = values.get(name);
    if (found === undefined) throw new Error(`no parameter ${name}`);
    return found;
  };
  const folded = (layer: Layer): InferenceLayer => {
    switch (layer.op) {
      case "conv": {
        const { side, channels } = shapeOf(known, layer.input);
        const gamma = value(`${layer.name}/gamma`);
        const beta = value(`${layer.name}/beta`);
        const mean = value(`${layer.name}/mean`);
        const scale = value(`${layer.name}/variance`).map(
          (variance, c) => (gamma[c] as number) / Math.sqrt(variance + BATCH_NORM_EPSILON),
        );
        return {
          op: "conv",
          name: layer.name,
          input: layer.input,
          stride: layer.stride,
          relu: layer.relu,
          kernel: layer.kernel,
          inChannels: channels,
          outChannels: layer.filters,
          inSide: side,
          outSide: shapeOf(known, layer.name).side,
          weights: value(`${layer.name}/kernel`).map((w, i) => w * (scale[i % layer.filters] as number)),
          bias: beta.map((b, c) => b - (mean[c] as number) * (scale[c] as number)),
        };
      }
      case "add":
        return layer;
      case "flatten":
        return { ...layer, ...shapeOf(known, layer.input) };
      case "dense": {
        const inputs = shapeOf(known, layer.input).channels;
        const kernel = value(`${layer.name}/kernel`);
        const bias = value(`${layer.name}/bias`);
        const sharpness = 1 / mix.temperature;
        const shares: readonly (readonly [Head, number])[] = [
          ["own", mix.share],
          ["votes", 1 - mix.share],
        ];
        const asked = shares.filter(([, share]) => share > 0);
        const scale = asked.length === 1 ? sharpness : 1;
        const heads = asked.map(([name, share]) => ({
          name,
          share,
          weights: headOf(kernel, name).map((weight) => weight * scale * FEATURE_SCALE),
          bias: headOf(bias, name).map((value) => value * scale),
        }));
        return { op: "dense", name: layer.name, input: layer.input, inputs, heads, sharpness };
      }
    }
  };
  return {
    name: architecture.name,
    inputSize: architecture.inputSize,
    layers: architecture.layers.map(folded),
  };
}
