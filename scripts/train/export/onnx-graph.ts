import { type Message, message } from "./protobuf.js";

/** onnx.proto's TensorProto.DataType. */
export const FLOAT = 1;
export const UINT8 = 2;
export const INT8 = 3;
export const INT32 = 6;
export const INT64 = 7;

const IR_VERSION = 8;
/** The first opset with per-axis DequantizeLinear and Softmax over one axis. */
const OPSET = 13;

type Attribute = number | readonly number[];

/** Collects nodes and constants; the names of values are the names of what computes them. */
export interface OnnxGraph {
  /** Adds a node and returns its output's name, which is the node's. */
  node(
    op: string,
    name: string,
    inputs: readonly string[],
    attributes?: Readonly<Record<string, Attribute>>,
  ): string;
  floats(name: string, shape: readonly number[], values: Float32Array): string;
  int8(name: string, shape: readonly number[], values: Int8Array): string;
  uint8(name: string, shape: readonly number[], values: Uint8Array): string;
  int32(name: string, shape: readonly number[], values: Int32Array): string;
  /** The model file. A dimension that is a string is free. */
  finish(
    model: { readonly name: string; readonly producer: string; readonly description: string },
    input: { readonly name: string; readonly type: number; readonly shape: readonly (number | string)[] },
    output: { readonly name: string; readonly type: number; readonly shape: readonly (number | string)[] },
  ): Buffer;
}

export function onnxGraph(): OnnxGraph {
  const nodes: Message[] = [];
  const initializers: Message[] = [];

  function constant(name: string, type: number, shape: readonly number[], values: ArrayBufferView): string {
    const raw = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    initializers.push(message().ints(1, shape).int(2, type).text(8, name).bytes(9, raw));
    return name;
  }

  return {
    node(op, name, inputs, attributes = {}) {
      const node = message();
      for (const input of inputs) node.text(1, input);
      node.text(2, name).text(3, name).text(4, op);
      for (const [key, value] of Object.entries(attributes)) node.message(5, attribute(key, value));
      nodes.push(node);
      return name;
    },
    floats: (name, shape, values) => constant(name, FLOAT, shape, values),
    int8: (name, shape, values) => constant(name, INT8, shape, values),
    uint8: (name, shape, values) => constant(name, UINT8, shape, values),
    int32: (name, shape, values) => constant(name, INT32, shape, values),
    finish(model, input, output) {
      const graph = message();
      for (const node of nodes) graph.message(1, node);
      graph.text(2, model.name);
      for (const initializer of initializers) graph.message(5, initializer);
      graph.message(11, valueInfo(input.name, input.type, input.shape));
      graph.message(12, valueInfo(output.name, output.type, output.shape));
      return message()
        .int(1, IR_VERSION)
        .text(2, model.producer)
        .text(6, model.description)
        .message(7, graph)
        .message(8, message().text(1, "").int(2, OPSET))
        .finish();
    },
  };
}

const ATTRIBUTE_INT = 2;
const ATTRIBUTE_INTS = 7;

function attribute(name: string, value: Attribute): Message {
  if (typeof value === "number") return message().text(1, name).int(3, value).int(20, ATTRIBUTE_INT);
  const list = message().text(1, name);
  for (const item of value) list.int(8, item);
  return list.int(20, ATTRIBUTE_INTS);
}

function valueInfo(name: string, type: number, shape: readonly (number | string)[]): Message {
  const dimensions = message();
  for (const size of shape) {
    dimensions.message(1, typeof size === "number" ? message().int(1, size) : message().text(2, size));
  }
  const tensor = message().int(1, type).message(2, dimensions);
  return message().text(1, name).message(2, message().message(1, tensor));
}
