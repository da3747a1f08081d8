/**
 * As much of Protocol Buffers' wire format as writing an ONNX model takes
 * (https://protobuf.dev/programming-guides/encoding/).
 */

const VARINT = 0;
const LENGTH_DELIMITED = 2;
const FIXED32 = 5;

/** Collects the fields of one message. */
export interface Message {
  int(field: number, value: number): Message;
  float(field: number, value: number): Message;
  text(field: number, value: string): Message;
  bytes(field: number, value: Uint8Array): Message;
  message(field: number, value: Message): Message;
  /** Repeated integers in packed form. */
  ints(field: number, values: readonly number[]): Message;
  finish(): Buffer;
}

export function message(): Message {
  const parts: Uint8Array[] = [];
  const tag = (field: number, type: number) => varint((field << 3) | type);
  const delimited = (field: number, value: Uint8Array) => {
    parts.push(tag(field, LENGTH_DELIMITED), varint(value.length), value);
  };
  const self: Message = {
    int(field, value) {
      parts.push(tag(field, VARINT), varint(value));
      return self;
    },
    float(field, value) {
      const bytes = Buffer.alloc(4);
      bytes.writeFloatLE(value);
      parts.push(tag(field, FIXED32), bytes);
      return self;
    },
    text(field, value) {
      delimited(field, Buffer.from(value, "utf8"));
      return self;
    },
    bytes(field, value) {
      delimited(field, value);
      return self;
    },
    message(field, value) {
      delimited(field, value.finish());
      return self;
    },
    ints(field, values) {
      delimited(field, Buffer.concat(values.map((value) => varint(value))));
      return self;
    },
    finish: () => Buffer.concat(parts),
  };
  return self;
}

/** Seven bits a byte, the lowest first; negative numbers as 64-bit two's complement. */
function varint(value: number): Buffer {
  if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is no integer`);
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  do {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    bytes.push(rest === 0n ? low : low | 0x80);
  } while (rest !== 0n);
  return Buffer.from(bytes);
}
