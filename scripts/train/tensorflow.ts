/**
 * The one place that loads TensorFlow for training and evaluation scripts, and the raw kernels of it that tfjs has no
 * function for.
 */
import { createRequire } from "node:module";

// TensorFlow logs its CPU features and a line an epoch to stderr, over the progress bar.
process.env.TF_CPP_MIN_LOG_LEVEL ??= "2";

export type TensorFlow = typeof import("@tensorflow/tfjs-node");
export type Tensor = import("@tensorflow/tfjs-node").Tensor;
export type Tensor1D = import("@tensorflow/tfjs-node").Tensor1D;
export type Tensor2D = import("@tensorflow/tfjs-node").Tensor2D;
export type Tensor3D = import("@tensorflow/tfjs-node").Tensor3D;
export type Tensor4D = import("@tensorflow/tfjs-node").Tensor4D;
export type Variable = import("@tensorflow/tfjs-node").Variable;
export type Scalar = import("@tensorflow/tfjs-node").Scalar;

/** TensorFlow is not there, or its library does not load. */
export class TensorFlowMissingError extends Error {
  override readonly name = "TensorFlowMissingError";
}

function load(): TensorFlow {
  const require = createRequire(import.meta.url);
  const wanted = process.env.EMOTIOND_TRAIN_BACKEND ?? "@tensorflow/tfjs-node";
  try {
    return require(wanted) as TensorFlow;
  } catch (cause) {
    throw new TensorFlowMissingError(`${wanted} does not load; run: npm run tensorflow`, { cause });
  }
}

/** tfjs-node; EMOTIOND_TRAIN_BACKEND=@tensorflow/tfjs-node-gpu trains on a GPU. */
export const tf: TensorFlow = load();

interface OpAttribute {
  readonly name: string;
  readonly type: number;
  readonly value: string | number | boolean;
}

interface NodeBackend {
  readonly binding: {
    readonly TF_ATTR_FLOAT: number;
    readonly TF_ATTR_STRING: number;
    readonly TF_ATTR_BOOL: number;
    readonly TF_ATTR_TYPE: number;
    readonly TF_FLOAT: number;
  };
  executeSingleOutput(name: string, attributes: OpAttribute[], inputs: Tensor[]): Tensor;
  executeMultipleOutputs(
    name: string,
    attributes: OpAttribute[],
    inputs: Tensor[],
    outputs: number,
  ): Tensor[];
}

const backend = tf.backend() as unknown as NodeBackend;
const { TF_ATTR_FLOAT, TF_ATTR_STRING, TF_ATTR_BOOL, TF_ATTR_TYPE, TF_FLOAT } = backend.binding;

const floats = (name: string): OpAttribute => ({ name, type: TF_ATTR_TYPE, value: TF_FLOAT });

function batchNormAttributes(epsilon: number): OpAttribute[] {
  return [
    floats("T"),
    floats("U"),
    { name: "epsilon", type: TF_ATTR_FLOAT, value: epsilon },
    { name: "exponential_avg_factor", type: TF_ATTR_FLOAT, value: 1 },
    { name: "data_format", type: TF_ATTR_STRING, value: "NHWC" },
    { name: "is_training", type: TF_ATTR_BOOL, value: true },
  ];
}

function batchNormGradAttributes(epsilon: number): OpAttribute[] {
  return batchNormAttributes(epsilon).filter(({ name }) => name !== "exponential_avg_factor");
}

export interface BatchNormOutput {
  readonly y: Tensor4D;
  readonly mean: Tensor1D;
  readonly variance: Tensor1D;
}

/**
 * Batch normalization in training, followed by ReLU if asked, as one forward kernel and one gradient kernel each.
 * tfjs' own `layers.batchNormalization` runs a dozen element-wise kernels for the same, three times as slow.
 *
 * `mean` and `variance` are this batch's (the variance unbiased), for the running averages.
 */
export function batchNormTraining(
  x: Tensor4D,
  gamma: Tensor1D,
  beta: Tensor1D,
  epsilon: number,
  relu: boolean,
): BatchNormOutput {
  let mean: Tensor1D | undefined;
  let variance: Tensor1D | undefined;
  const y = tf.customGrad((...args: unknown[]) => {
    const [input, scale, offset, save] = args as [Tensor4D, Tensor1D, Tensor1D, (tensors: Tensor[]) => void];
    const empty = tf.tensor1d([]);
    const [normalized, batchMean, batchVariance, r1, r2, r3] = backend.executeMultipleOutputs(
      "FusedBatchNormV3",
      batchNormAttributes(epsilon),
      [input, scale, offset, empty, empty],
      6,
    ) as [Tensor4D, Tensor1D, Tensor1D, Tensor, Tensor, Tensor];
    mean = tf.keep(batchMean);
    variance = tf.keep(batchVariance);
    const value = relu ? tf.relu(normalized) : normalized;
    save([input, scale, r1, r2, r3, ...(relu ? [value] : [])]);
    return {
      value,
      gradFunc: (dy: Tensor, saved: Tensor[]) => {
        const [savedInput, savedScale, s1, s2, s3, activated] = saved as [
          Tensor,
          Tensor,
          Tensor,
          Tensor,
          Tensor,
          Tensor?,
        ];
        const dNormalized = activated === undefined ? dy : reluGrad(dy, activated);
        const [dx, dGamma, dBeta] = backend.executeMultipleOutputs(
          "FusedBatchNormGradV3",
          batchNormGradAttributes(epsilon),
          [dNormalized, savedInput, savedScale, s1, s2, s3],
          5,
        ) as [Tensor, Tensor, Tensor];
        return [dx, dGamma, dBeta];
      },
    };
  })(x, gamma, beta) as Tensor4D;
  if (mean === undefined || variance === undefined) throw new Error("batch norm gave no statistics");
  return { y, mean, variance };
}

function reluGrad(dy: Tensor, activated: Tensor): Tensor {
  return backend.executeSingleOutput("ReluGrad", [floats("T")], [dy, activated]);
}

/** relu(a + b) whose gradient is one kernel. */
export function addRelu(a: Tensor4D, b: Tensor4D): Tensor4D {
  return tf.customGrad((...args: unknown[]) => {
    const [left, right, save] = args as [Tensor4D, Tensor4D, (tensors: Tensor[]) => void];
    const value = tf.relu(tf.add(left, right));
    save([value]);
    return {
      value,
      gradFunc: (dy: Tensor, saved: Tensor[]) => {
        const gradient = reluGrad(dy, (saved as [Tensor])[0]);
        return [gradient, gradient.clone()];
      },
    };
  })(a, b) as Tensor4D;
}

/**
 * Warps each picture by its own projective transform, bilinear, edges replicated.
 *
 * @param images N × H × W × C
 * @param transforms N × 8: row [a0 a1 a2 b0 b1 b2 c0 c1] takes output (x, y) from input
 *   ((a0 x + a1 y + a2) / k, (b0 x + b1 y + b2) / k), k = c0 x + c1 y + 1.
 */
export function warp(images: Tensor4D, transforms: Tensor2D, height: number, width: number): Tensor4D {
  return tf.tidy(
    () =>
      backend.executeSingleOutput(
        "ImageProjectiveTransformV3",
        [
          floats("dtype"),
          { name: "interpolation", type: TF_ATTR_STRING, value: "BILINEAR" },
          { name: "fill_mode", type: TF_ATTR_STRING, value: "NEAREST" },
        ],
        [images, transforms, tf.tensor1d([height, width], "int32"), tf.scalar(0)],
      ) as Tensor4D,
  );
}
