import { EMOTION_COUNT } from "../../../src/base/labels.js";
import { PIXEL_MEAN, PIXEL_SCALE } from "../pixels.js";
import type { InferenceNetwork } from "./inference.js";

/** A TensorFlow.js graph model: model.json and its one file of weights. */
export interface GraphModelFiles {
  readonly model: Buffer;
  readonly weights: Buffer;
}

export const WEIGHTS_FILE = "tfjs-weights.bin";

interface GraphNode {
  readonly name: string;
  readonly op: string;
  readonly input?: readonly string[];
  readonly attr: Readonly<Record<string, unknown>>;
}

interface WeightEntry {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: "float32" | "int32";
  readonly quantization?: {
    readonly dtype: "uint8";
    readonly scale: number;
    readonly min: number;
    readonly original_dtype: "float32";
  };
}

const FLOAT = { T: { type: "DT_FLOAT" } };

/** Writes the network with weights of 8 bits; pixels 0 to 255 as float in, N × S × S × 1, probabilities out. */
export function graphModel(network: InferenceNetwork): GraphModelFiles {
  const nodes: GraphNode[] = [];
  const entries: WeightEntry[] = [];
  const parts: Buffer[] = [];

  const node = (
    name: string,
    op: string,
    input: readonly string[],
    attr: Record<string, unknown> = FLOAT,
  ) => {
    nodes.push({ name, op, input, attr });
    return name;
  };
  const constant = (name: string, entry: WeightEntry, bytes: Buffer) => {
    entries.push(entry);
    parts.push(bytes);
    const type = entry.dtype === "int32" ? "DT_INT32" : "DT_FLOAT";
    const dim = entry.shape.map((size) => ({ size: String(size) }));
    nodes.push({
      name,
      op: "Const",
      attr: { dtype: { type }, value: { tensor: { dtype: type, tensorShape: { dim } } } },
    });
    return name;
  };
  const floats = (name: string, shape: readonly number[], values: Float32Array) =>
    constant(
      name,
      { name, shape, dtype: "float32" },
      Buffer.from(values.buffer, values.byteOffset, values.byteLength),
    );
  const coarse = (name: string, shape: readonly number[], values: Float32Array) => {
    const { bytes, scale, min } = toUint8(values);
    const quantization = { dtype: "uint8", scale, min, original_dtype: "float32" } as const;
    return constant(name, { name, shape, dtype: "float32", quantization }, bytes);
  };

  const size = network.inputSize;
  nodes.push({
    name: "faces",
    op: "Placeholder",
    attr: {
      dtype: { type: "DT_FLOAT" },
      shape: { shape: { dim: [-1, size, size, 1].map((side) => ({ size: String(side) })) } },
    },
  });
  const centred = node("centred", "Sub", ["faces", floats("pixel_mean", [], Float32Array.of(PIXEL_MEAN))]);
  const outputs = new Map([
    ["input", node("pixels", "Mul", [centred, floats("pixel_scale", [], Float32Array.of(1 / PIXEL_SCALE))])],
  ]);
  const from = (name: string) => outputs.get(name) as string;
  for (const layer of network.layers) {
    switch (layer.op) {
      case "conv": {
        const { kernel, inChannels, outChannels, stride } = layer;
        const weights = coarse(
          `${layer.name}/weights`,
          [kernel, kernel, inChannels, outChannels],
          layer.weights,
        );
        const bias = floats(`${layer.name}/bias`, [outChannels], layer.bias);
        const fused = ["BiasAdd", ...(layer.relu ? ["Relu"] : [])].map((op) =>
          Buffer.from(op).toString("base64"),
        );
        outputs.set(
          layer.name,
          node(layer.name, "_FusedConv2D", [from(layer.input), weights, bias], {
            ...FLOAT,
            num_args: { i: "1" },
            strides: { list: { i: ["1", String(stride), String(stride), "1"] } },
            dilations: { list: { i: ["1", "1", "1", "1"] } },
            padding: { s: Buffer.from("SAME").toString("base64") },
            data_format: { s: Buffer.from("NHWC").toString("base64") },
            fused_ops: { list: { s: fused } },
            epsilon: { f: 0 },
          }),
        );
        break;
      }
      case "add": {
        const sum = node(`${layer.name}/sum`, "AddV2", [from(layer.a), from(layer.b)]);
        outputs.set(layer.name, node(layer.name, "Relu", [sum]));
        break;
      }
      case "flatten": {
        const length = layer.side ** 2 * layer.channels;
        const entry: WeightEntry = { name: "flat_shape", shape: [2], dtype: "int32" };
        const shape = constant("flat_shape", entry, Buffer.from(Int32Array.of(-1, length).buffer));
        outputs.set(
          layer.name,
          node(layer.name, "Reshape", [from(layer.input), shape], { ...FLOAT, Tshape: { type: "DT_INT32" } }),
        );
        break;
      }
      case "dense": {
        const [first, second] = layer.heads.map(({ name, share, ...head }) => {
          const weights = floats(`${name}/weights`, [layer.inputs, EMOTION_COUNT], head.weights);
          const product = node(`${name}/product`, "MatMul", [from(layer.input), weights], {
            ...FLOAT,
            transpose_a: { b: false },
            transpose_b: { b: false },
          });
          const bias = floats(`${name}/bias`, [EMOTION_COUNT], head.bias);
          const logits = node(`${name}/logits`, "BiasAdd", [product, bias], {
            ...FLOAT,
            data_format: { s: Buffer.from("NHWC").toString("base64") },
          });
          if (layer.heads.length === 1) return node("scores", "Softmax", [logits]);
          const probabilities = node(`${name}/probabilities`, "Softmax", [logits]);
          return node(`${name}/counted`, "Mul", [
            probabilities,
            floats(`${name}/share`, [], Float32Array.of(share)),
          ]);
        });
        if (first === undefined) throw new Error(`${layer.name} has no head`);
        if (second === undefined) {
          outputs.set(layer.name, first);
          break;
        }
        const log = node("sum/log", "Log", [node("sum", "AddV2", [first, second])]);
        const sharp = node("sum/sharp", "Mul", [
          log,
          floats("sharpness", [], Float32Array.of(layer.sharpness)),
        ]);
        outputs.set(layer.name, node("scores", "Softmax", [sharp]));
        break;
      }
    }
  }
  const model = {
    format: "graph-model",
    generatedBy: "emotiond",
    convertedBy: null,
    signature: {
      inputs: { faces: tensorInfo("faces:0", [-1, size, size, 1]) },
      outputs: { scores: tensorInfo("scores:0", [-1, EMOTION_COUNT]) },
    },
    modelTopology: { node: nodes, library: {}, versions: {} },
    weightsManifest: [{ paths: [WEIGHTS_FILE], weights: entries }],
  };
  return { model: Buffer.from(JSON.stringify(model)), weights: Buffer.concat(parts) };
}

function tensorInfo(name: string, shape: readonly number[]): object {
  return { name, dtype: "DT_FLOAT", tensorShape: { dim: shape.map((size) => ({ size: String(size) })) } };
}

/** 256 levels over the range of the weights, 0 among them. */
function toUint8(values: Float32Array): {
  readonly bytes: Buffer;
  readonly scale: number;
  readonly min: number;
} {
  let low = 0;
  let high = 0;
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  const scale = (high - low) / 255 || 1;
  const min = Math.round(low / scale) * scale;
  return {
    bytes: Buffer.from(Uint8Array.from(values, (value) => Math.round((value - min) / scale))),
    scale,
    min,
  };
}
