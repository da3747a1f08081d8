import { FLOAT } from "./onnx-graph.js";

/** The file is not an ONNX model as the exporter writes it. */
export class OnnxReadError extends Error {
  override readonly name = "OnnxReadError";
}

const MODEL_GRAPH = 7;
const GRAPH_INITIALIZER = 5;
const TENSOR_TYPE = 2;
const TENSOR_NAME = 8;
const TENSOR_RAW = 9;

/** The float constants of an ONNX model that `onnxFloat` wrote, by name. */
export function readFloats(model: Buffer): Map<string, Float32Array> {
  const floats = new Map<string, Float32Array>();
  for (const graph of fields(model, MODEL_GRAPH)) {
    for (const tensor of fields(graph.bytes, GRAPH_INITIALIZER)) {
      const [type] = fields(tensor.bytes, TENSOR_TYPE);
      const [name] = fields(tensor.bytes, TENSOR_NAME);
      const [raw] = fields(tensor.bytes, TENSOR_RAW);
      if (type?.number !== FLOAT || name === undefined || raw === undefined) continue;
      const { buffer, byteOffset, byteLength } = raw.bytes;
      floats.set(
        name.bytes.toString("utf8"),
        new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength)),
      );
    }
  }
  if (floats.size === 0) throw new OnnxReadError("no float weights in the ONNX file");
  return floats;
}

interface Field {
  readonly number: number;
  readonly bytes: Buffer;
}

/** Each occurrence of one field of a protobuf message. */
function* fields(message: Buffer, wanted: number): Generator<Field> {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = message[at++];
      if (byte === undefined) throw new OnnxReadError("the ONNX file ends too early");
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
  };
  const empty = Buffer.alloc(0);
  while (at < message.length) {
    const tag = varint();
    const field = Math.floor(tag / 8);
    let number = 0;
    let bytes: Buffer = empty;
    switch (tag % 8) {
      case 0:
        number = varint();
        break;
      case 1:
        at += 8;
        break;
      case 2: {
        const length = varint();
        if (at + length > message.length) throw new OnnxReadError("the ONNX file ends too early");
        bytes = message.subarray(at, at + length);
        at += length;
        break;
      }
      case 5:
        at += 4;
        break;
      default:
        throw new OnnxReadError(`protobuf wire type ${tag % 8} is not one that ONNX uses`);
    }
    if (field === wanted) yield { number, bytes };
  }
}
