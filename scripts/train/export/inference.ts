import {
  type Architecture,
  BATCH_NORM_EPSILON,
  FEATURE_SCALE,
  type Layer,
  shapeOf,
  shapes,
} from "../architecture.js";
import { type Merge, merged } from "../heads.js";

/** A network as it computes on the device: batch norm folded, one head, probabilities out. */
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

/** Dense layer and softmax. */
export interface InferenceDense {
  readonly op: "dense";
  readonly name: string;
  readonly input: string;
  readonly inputs: number;
  /** `inputs` × 7, inputs in the order row, column, channel. */
  readonly weights: Float32Array;
  readonly bias: Float32Array;
}

/** How the two heads become one, and how sure it may be: chosen on PublicTest. */
export interface HeadSettings extends Merge {
  /** Merged logits are divided by it. */
  readonly temperature: number;
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

/** Folds batch norm into the convolutions, and the heads, offsets and temperature into the last layer. */
export function fold(
  architecture: Architecture,
  values: ReadonlyMap<string, Float32Array>,
  head: HeadSettings,
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
        const { offsets, temperature } = head;
        const kernel = merged(value(`${layer.name}/kernel`), { ...head, offsets: offsets.map(() => 0) });
        const bias = merged(value(`${layer.name}/bias`), head);
        return {
          op: "dense",
          name: layer.name,
          input: layer.input,
          inputs,
          weights: kernel.map((weight) => (weight * FEATURE_SCALE) / temperature),
          bias: bias.map((offset) => offset / temperature),
        };
      }
    }
  };
  return {
    name: architecture.name,
    inputSize: architecture.inputSize,
    layers: architecture.layers.map(folded),
  };
}
