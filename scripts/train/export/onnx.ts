import { EMOTION_COUNT } from "../../../src/base/labels.js";
import { INPUT_NAME, OUTPUT_NAME } from "../../../src/emotion/onnx.js";
import { PIXEL_MEAN, PIXEL_SCALE } from "../pixels.js";
import {
  type InferenceConv,
  type InferenceDense,
  type InferenceFlatten,
  type InferenceNetwork,
  samePadding,
} from "./inference.js";
import { toOihw } from "./kernel-order.js";
import { FLOAT, type OnnxGraph, onnxGraph, UINT8 } from "./onnx-graph.js";
import { quantizeBias, quantizeWeights, type Range, rangeToScale, type Scale } from "./quantize.js";

/** The fp32 model: uint8 pixels in, probabilities out. */
export function onnxFloat(network: InferenceNetwork): Buffer {
  const graph = onnxGraph();
  const outputs = new Map([["input", pixels(graph)]]);
  for (const layer of network.layers) {
    switch (layer.op) {
      case "conv": {
        const weights = graph.floats(
          `${layer.name}/weights`,
          kernelShape(layer),
          toOihw(layer.weights, layer),
        );
        const bias = graph.floats(`${layer.name}/bias`, [layer.outChannels], layer.bias);
        const sum = graph.node(
          "Conv",
          `${layer.name}/conv`,
          [from(outputs, layer.input), weights, bias],
          convAttributes(layer),
        );
        outputs.set(layer.name, layer.relu ? graph.node("Relu", layer.name, [sum]) : sum);
        break;
      }
      case "add": {
        const sum = graph.node("Add", `${layer.name}/sum`, [from(outputs, layer.a), from(outputs, layer.b)]);
        outputs.set(layer.name, graph.node("Relu", layer.name, [sum]));
        break;
      }
      default:
        outputs.set(layer.name, floatLayer(graph, layer, network, from(outputs, layer.input)));
    }
  }
  return finish(graph, network, "fp32");
}

/**
 * The int8 model in ONNX's QDQ form: uint8 activations, int8 weights with a scale for each output channel, of 7 bits,
 * because a sum of two 8 × 8 bit products overflows 16 bits on x86 without VNNI. The last layer stays float: it has
 * half a percent of the weights.
 *
 * @param ranges least and greatest value of each layer's output, measured on training faces.
 */
export function onnxInt8(network: InferenceNetwork, ranges: ReadonlyMap<string, Range>): Buffer {
  const graph = onnxGraph();
  const scales = new Map<string, Scale>([["input", { scale: 1 / PIXEL_SCALE, zeroPoint: PIXEL_MEAN }]]);
  const outputs = new Map([["input", pixels(graph)]]);
  const requantize = (name: string, value: string) => {
    const range = ranges.get(name);
    if (range === undefined) throw new Error(`no range for ${name}`);
    const { scale, zeroPoint } = rangeToScale(range);
    scales.set(name, { scale, zeroPoint });
    const parameters = [
      graph.floats(`${name}/scale`, [], Float32Array.of(scale)),
      graph.uint8(`${name}/zero`, [], Uint8Array.of(zeroPoint)),
    ];
    const quantized = graph.node("QuantizeLinear", `${name}/q`, [value, ...parameters]);
    outputs.set(name, graph.node("DequantizeLinear", `${name}/dq`, [quantized, ...parameters]));
  };
  for (const layer of network.layers) {
    switch (layer.op) {
      case "conv": {
        const inputScale = scales.get(layer.input)?.scale;
        if (inputScale === undefined) throw new Error(`no scale for ${layer.input}`);
        const channels = layer.outChannels;
        const quantized = quantizeWeights(toOihw(layer.weights, layer), channels);
        const weightScales = graph.floats(`${layer.name}/weight_scale`, [channels], quantized.scales);
        const weightZeros = graph.int8(`${layer.name}/weight_zero`, [channels], new Int8Array(channels));
        const weights = graph.node(
          "DequantizeLinear",
          `${layer.name}/weights_dq`,
          [
            graph.int8(`${layer.name}/weights`, kernelShape(layer), quantized.values),
            weightScales,
            weightZeros,
          ],
          { axis: 0 },
        );
        const bias = quantizeBias(layer.bias, inputScale, quantized.scales);
        const biasName = graph.node(
          "DequantizeLinear",
          `${layer.name}/bias_dq`,
          [
            graph.int32(`${layer.name}/bias`, [channels], bias.values),
            graph.floats(`${layer.name}/bias_scale`, [channels], bias.scales),
            graph.int32(`${layer.name}/bias_zero`, [channels], new Int32Array(channels)),
          ],
          { axis: 0 },
        );
        const sum = graph.node(
          "Conv",
          `${layer.name}/conv`,
          [from(outputs, layer.input), weights, biasName],
          convAttributes(layer),
        );
        requantize(layer.name, layer.relu ? graph.node("Relu", layer.name, [sum]) : sum);
        break;
      }
      case "add": {
        const sum = graph.node("Add", `${layer.name}/sum`, [from(outputs, layer.a), from(outputs, layer.b)]);
        requantize(layer.name, graph.node("Relu", layer.name, [sum]));
        break;
      }
      default:
        outputs.set(layer.name, floatLayer(graph, layer, network, from(outputs, layer.input)));
    }
  }
  return finish(graph, network, "int8");
}

/** (pixel − mean) / scale, which is what dequantizing does: int8 kernels take the pixels as they are. */
function pixels(graph: OnnxGraph): string {
  const scale = graph.floats("pixel_scale", [], Float32Array.of(1 / PIXEL_SCALE));
  const mean = graph.uint8("pixel_mean", [], Uint8Array.of(PIXEL_MEAN));
  return graph.node("DequantizeLinear", "pixels", [INPUT_NAME, scale, mean]);
}

function from(outputs: ReadonlyMap<string, string>, name: string): string {
  const value = outputs.get(name);
  if (value === undefined) throw new Error(`layer ${name} is used before it is defined`);
  return value;
}

function kernelShape({ outChannels, inChannels, kernel }: InferenceConv): number[] {
  return [outChannels, inChannels, kernel, kernel];
}

function convAttributes({ inSide, kernel, stride }: InferenceConv): Record<string, number | number[]> {
  const [before, after] = samePadding(inSide, kernel, stride);
  return { kernel_shape: [kernel, kernel], strides: [stride, stride], pads: [before, before, after, after] };
}

/** The layers that are float in both models. */
function floatLayer(
  graph: OnnxGraph,
  layer: InferenceFlatten | InferenceDense,
  network: InferenceNetwork,
  input: string,
): string {
  if (layer.op === "dense") return headsAndSum(graph, layer, network, input);
  return graph.node("Flatten", layer.name, [input], { axis: 1 });
}

function headsAndSum(
  graph: OnnxGraph,
  layer: InferenceDense,
  network: InferenceNetwork,
  input: string,
): string {
  const flatten = network.layers.find((other) => other.name === layer.input);
  if (flatten?.op !== "flatten") throw new Error(`${layer.name} does not follow a flatten layer`);
  const positions = flatten.side ** 2;
  const [first, second] = layer.heads.map(({ name, share, weights, bias }) => {
    // ONNX flattens channel, row, column; the weights come in the order row, column, channel.
    const reordered = new Float32Array(weights.length);
    for (let position = 0; position < positions; position++) {
      for (let channel = 0; channel < flatten.channels; channel++) {
        const from = (position * flatten.channels + channel) * EMOTION_COUNT;
        reordered.set(
          weights.subarray(from, from + EMOTION_COUNT),
          (channel * positions + position) * EMOTION_COUNT,
        );
      }
    }
    const logits = graph.node("Gemm", `${name}/logits`, [
      input,
      graph.floats(`${name}/weights`, [layer.inputs, EMOTION_COUNT], reordered),
      graph.floats(`${name}/bias`, [EMOTION_COUNT], bias),
    ]);
    if (layer.heads.length === 1) return graph.node("Softmax", OUTPUT_NAME, [logits], { axis: 1 });
    const probabilities = graph.node("Softmax", `${name}/probabilities`, [logits], { axis: 1 });
    const weight = graph.floats(`${name}/share`, [], Float32Array.of(share));
    return graph.node("Mul", `${name}/counted`, [probabilities, weight]);
  });
  if (first === undefined) throw new Error(`${layer.name} has no head`);
  if (second === undefined) return first;
  const log = graph.node("Log", "sum/log", [graph.node("Add", "sum", [first, second])]);
  const sharpness = graph.floats("sharpness", [], Float32Array.of(layer.sharpness));
  return graph.node("Softmax", OUTPUT_NAME, [graph.node("Mul", "sum/sharp", [log, sharpness])], { axis: 1 });
}

function finish(graph: OnnxGraph, network: InferenceNetwork, kind: string): Buffer {
  return graph.finish(
    {
      name: network.name,
      producer: "emotiond",
      description: `Face emotion: grey ${network.inputSize} × ${network.inputSize} uint8 to seven probabilities, ${kind}`,
    },
    { name: INPUT_NAME, type: UINT8, shape: ["count", 1, network.inputSize, network.inputSize] },
    { name: OUTPUT_NAME, type: FLOAT, shape: ["count", EMOTION_COUNT] },
  );
}
