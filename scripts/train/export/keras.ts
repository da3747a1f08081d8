import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import h5wasm from "h5wasm/node";
import { EMOTION_COUNT } from "../../../src/base/labels.js";
import { PIXEL_MEAN, PIXEL_SCALE } from "../pixels.js";
import type { InferenceNetwork } from "./inference.js";

const JSON_FILE = "model.json";
const WEIGHTS_FILE = "model.weights.h5";

interface KerasWeights {
  readonly layer: string;
  readonly values: readonly { readonly shape: readonly number[]; readonly data: Float32Array }[];
}

/**
 * Writes the network as the tutorial saved it: structure as JSON, weights as H5, in the layout of Keras 3, which reads
 * them with `model_from_json` and `load_weights`. Pixels 0 to 255 as float in (N × S × S × 1), probabilities out.
 */
export async function writeKeras(network: InferenceNetwork, folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const { config, weights } = describe(network);
  writeFileSync(join(folder, JSON_FILE), `${JSON.stringify(config)}\n`);
  await h5wasm.ready;
  const path = join(folder, WEIGHTS_FILE);
  if (existsSync(path)) rmSync(path);
  const file = new h5wasm.File(path, "w");
  try {
    file.create_group("layers");
    for (const { layer, values } of weights) {
      file.create_group(`layers/${layer}`);
      file.create_group(`layers/${layer}/vars`);
      values.forEach(({ shape, data }, i) => {
        file.create_dataset({ name: `layers/${layer}/vars/${i}`, data, shape: [...shape], dtype: "<f" });
      });
    }
  } finally {
    file.close();
  }
}

/** Output of a layer: its name and its shape without the batch. */
interface Output {
  readonly name: string;
  readonly shape: readonly number[];
}

/** Keras' functional configuration, and the weights under the names that its H5 files use. */
function describe(network: InferenceNetwork): { readonly config: object; readonly weights: KerasWeights[] } {
  const size = network.inputSize;
  const layers: object[] = [];
  const weights: KerasWeights[] = [];
  const classes = new Map<string, number>();

  /** Keras names weights by class and number in the H5 file, whatever the layers' own names. */
  const register = (kind: string, values: KerasWeights["values"]) => {
    const count = classes.get(kind) ?? 0;
    classes.set(kind, count + 1);
    weights.push({ layer: count === 0 ? kind : `${kind}_${count}`, values });
  };
  const add = (
    kind: { readonly module: string; readonly className: string; readonly registered: string | null },
    name: string,
    config: object,
    inputs: readonly Output[],
    shape: readonly number[],
  ): Output => {
    const tensors = inputs.map((input) => ({
      class_name: "__keras_tensor__",
      config: { shape: [null, ...input.shape], dtype: "float32", keras_history: [input.name, 0, 0] },
    }));
    layers.push({
      module: kind.module,
      class_name: kind.className,
      config: { name, ...config },
      registered_name: kind.registered,
      name,
      inbound_nodes:
        tensors.length === 0 ? [] : [{ args: tensors.length > 1 ? [tensors] : tensors, kwargs: {} }],
    });
    return { name, shape };
  };
  const layer = (
    className: string,
    name: string,
    config: object,
    inputs: readonly Output[],
    shape: readonly number[],
  ): Output => {
    const kind = { module: "keras.layers", className, registered: null };
    return add(kind, name, { trainable: true, dtype: "float32", ...config }, inputs, shape);
  };
  /** Keras has no layer for the logarithm; this is how it writes its function. */
  const logarithm = (name: string, input: Output): Output => {
    const kind = { module: "keras.src.ops.numpy", className: "Log", registered: "Log" };
    return add(kind, name, {}, [input], input.shape);
  };

  const picture = [size, size, 1];
  layers.push({
    module: "keras.layers",
    class_name: "InputLayer",
    config: { name: "faces", batch_shape: [null, ...picture], dtype: "float32", sparse: false },
    registered_name: null,
    name: "faces",
    inbound_nodes: [],
  });
  const rescaling = { scale: 1 / PIXEL_SCALE, offset: -PIXEL_MEAN / PIXEL_SCALE };
  const input: Output = { name: "faces", shape: picture };
  const outputs = new Map([["input", layer("Rescaling", "pixels", rescaling, [input], picture)]]);
  const from = (name: string): Output => outputs.get(name) as Output;
  for (const step of network.layers) {
    const name = step.name.replaceAll("/", "_");
    switch (step.op) {
      case "conv": {
        const config = {
          filters: step.outChannels,
          kernel_size: [step.kernel, step.kernel],
          strides: [step.stride, step.stride],
          padding: "same",
          data_format: "channels_last",
          activation: step.relu ? "relu" : "linear",
          use_bias: true,
        };
        const shape = [step.outSide, step.outSide, step.outChannels];
        outputs.set(step.name, layer("Conv2D", name, config, [from(step.input)], shape));
        register("conv2d", [
          { shape: [step.kernel, step.kernel, step.inChannels, step.outChannels], data: step.weights },
          { shape: [step.outChannels], data: step.bias },
        ]);
        break;
      }
      case "add": {
        const { shape } = from(step.a);
        const sum = layer("Add", `${name}_sum`, {}, [from(step.a), from(step.b)], shape);
        outputs.set(step.name, layer("Activation", name, { activation: "relu" }, [sum], shape));
        break;
      }
      case "flatten": {
        const shape = [step.side ** 2 * step.channels];
        const config = { data_format: "channels_last" };
        outputs.set(step.name, layer("Flatten", name, config, [from(step.input)], shape));
        break;
      }
      case "dense": {
        const shape = [EMOTION_COUNT];
        const config = { units: EMOTION_COUNT, activation: "softmax", use_bias: true };
        const counted = step.heads.map(({ name: head, share, weights, bias }) => {
          const probabilities = layer("Dense", head, config, [from(step.input)], shape);
          register("dense", [
            { shape: [step.inputs, EMOTION_COUNT], data: weights },
            { shape, data: bias },
          ]);
          return layer("Rescaling", `${head}_counted`, { scale: share, offset: 0 }, [probabilities], shape);
        });
        const [only] = counted;
        if (counted.length === 1 && only !== undefined) {
          outputs.set(step.name, only);
          break;
        }
        const log = logarithm("sum_log", layer("Add", "sum", {}, counted, shape));
        const sharp = layer("Rescaling", "sum_sharp", { scale: step.sharpness, offset: 0 }, [log], shape);
        outputs.set(step.name, layer("Activation", "scores", { activation: "softmax" }, [sharp], shape));
        break;
      }
    }
  }
  const config = {
    module: "keras.src.models.functional",
    class_name: "Functional",
    config: {
      name: "emotiond",
      trainable: true,
      layers,
      input_layers: [["faces", 0, 0]],
      output_layers: [[(outputs.get(network.layers.at(-1)?.name ?? "") ?? input).name, 0, 0]],
    },
    registered_name: "Functional",
    build_config: { input_shape: null },
  };
  return { config, weights };
}
