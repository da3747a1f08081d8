/** Sizes of a convolution's kernel. */
export interface KernelShape {
  readonly kernel: number;
  readonly inChannels: number;
  readonly outChannels: number;
}

/** From TensorFlow's row, column, in, out to ONNX' out, in, row, column. */
export function toOihw(weights: Float32Array, shape: KernelShape): Float32Array {
  const result = new Float32Array(weights.length);
  eachPair(shape, (tensorFlow, onnx) => {
    result[onnx] = weights[tensorFlow] as number;
  });
  return result;
}

/** From ONNX' out, in, row, column to TensorFlow's row, column, in, out. */
export function fromOihw(weights: Float32Array, shape: KernelShape): Float32Array {
  const result = new Float32Array(weights.length);
  eachPair(shape, (tensorFlow, onnx) => {
    result[tensorFlow] = weights[onnx] as number;
  });
  return result;
}

/** Where each weight is in either order. */
function eachPair(
  { kernel, inChannels, outChannels }: KernelShape,
  visit: (tensorFlow: number, onnx: number) => void,
): void {
  const positions = kernel ** 2;
  for (let position = 0; position < positions; position++) {
    for (let i = 0; i < inChannels; i++) {
      for (let o = 0; o < outChannels; o++)
        visit((position * inChannels + i) * outChannels + o, (o * inChannels + i) * positions + position);
    }
  }
}
