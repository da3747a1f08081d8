/** Least and greatest value that a layer's output is to represent. */
export interface Range {
  readonly low: number;
  readonly high: number;
}

/** real = (quantized − zeroPoint) × scale, quantized 0 to 255 */
export interface Scale {
  readonly scale: number;
  readonly zeroPoint: number;
}

/** The uint8 scale whose values span a range; 0 is always represented exactly, for padding and ReLU. */
export function rangeToScale({ low, high }: Range): Scale {
  const least = Math.min(low, 0);
  const greatest = Math.max(high, 0, least + 1e-6);
  const scale = Math.fround((greatest - least) / 255);
  return { scale, zeroPoint: Math.min(255, Math.max(0, Math.round(-least / scale))) };
}

/** 7 bits: see onnxInt8. */
const WEIGHT_LIMIT = 63;

export interface QuantizedWeights {
  readonly values: Int8Array;
  /** One for each output channel. */
  readonly scales: Float32Array;
}

/** Weights in output-channel-first order, symmetric, a scale for each channel. */
export function quantizeWeights(weights: Float32Array, channels: number): QuantizedWeights {
  const each = weights.length / channels;
  const values = new Int8Array(weights.length);
  const scales = new Float32Array(channels);
  for (let channel = 0; channel < channels; channel++) {
    const row = weights.subarray(channel * each, (channel + 1) * each);
    const largest = row.reduce((most, weight) => Math.max(most, Math.abs(weight)), 1e-8);
    const scale = Math.fround(largest / WEIGHT_LIMIT);
    scales[channel] = scale;
    row.forEach((weight, i) => {
      values[channel * each + i] = Math.max(
        -WEIGHT_LIMIT,
        Math.min(WEIGHT_LIMIT, Math.round(weight / scale)),
      );
    });
  }
  return { values, scales };
}

/** Biases at the scale of the products that they are added to, as ONNX wants it. */
export function quantizeBias(
  bias: Float32Array,
  inputScale: number,
  weightScales: Float32Array,
): { readonly values: Int32Array; readonly scales: Float32Array } {
  const scales = weightScales.map((scale) => scale * inputScale);
  const limit = 2 ** 31 - 1;
  return {
    scales,
    values: Int32Array.from(bias, (value, i) =>
      Math.max(-limit, Math.min(limit, Math.round(value / (scales[i] as number)))),
    ),
  };
}

const BINS = 2048;

/**
 * The range to represent of a layer's outputs, given as many values as there are: the one with the least squared
 * error after rounding. A rare large value is clipped rather than making all others coarse.
 */
export function bestRange(values: Float32Array): Range {
  let low = 0;
  let high = 0;
  for (const value of values) {
    if (value < low) low = value;
    else if (value > high) high = value;
  }
  const width = (high - low) / BINS;
  if (width === 0) return { low, high };
  const histogram = new Float64Array(BINS);
  for (const value of values) {
    const bin = Math.min(BINS - 1, Math.floor((value - low) / width));
    histogram[bin] = (histogram[bin] as number) + 1;
  }
  let best: Range = { low, high };
  let least = Number.POSITIVE_INFINITY;
  for (let share = 1; share >= 0.4; share -= 0.02) {
    const candidate = { low: low * share, high: high * share };
    const rounding = ((candidate.high - candidate.low) / 255) ** 2 / 12;
    let error = 0;
    for (let bin = 0; bin < BINS; bin++) {
      const middle = low + (bin + 0.5) * width;
      const clipped = Math.min(candidate.high, Math.max(candidate.low, middle));
      error += (histogram[bin] as number) * ((middle - clipped) ** 2 + rounding);
    }
    if (error < least) {
      least = error;
      best = candidate;
    }
  }
  return best;
}
