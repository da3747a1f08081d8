import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { type Tensor, tf } from "./tensorflow.js";

/**
 * Writes a header and the values of tensors, 32-bit floats one after another. The file appears under its name only when
 * it is whole and on disk, so that a kill at any moment leaves the last one.
 */
export async function writeTensorFile(
  path: string,
  header: object,
  tensors: readonly Tensor[],
): Promise<void> {
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(json.length);
  const file = openSync(`${path}.new`, "w");
  try {
    writeSync(file, length);
    writeSync(file, json);
    for (const tensor of tensors) {
      const values = (await tensor.data()) as Float32Array;
      writeSync(file, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    }
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(`${path}.new`, path);
}

/** What such a file holds. */
export interface TensorFile<Header> {
  readonly header: Header;
  /** The next tensor in the file; the caller disposes of it. */
  next(shape: readonly number[]): Tensor;
}

export function readTensorFile<Header>(path: string): TensorFile<Header> {
  const bytes = readFileSync(path);
  let at = 4 + bytes.readUInt32LE(0);
  const header = JSON.parse(bytes.toString("utf8", 4, at)) as Header;
  return {
    header,
    next(shape) {
      const size = 4 * shape.reduce((product, side) => product * side, 1);
      // A copy, because the file's offset need not be a multiple of four.
      const values = new Float32Array(
        bytes.buffer.slice(bytes.byteOffset + at, bytes.byteOffset + at + size),
      );
      at += size;
      return tf.tensor(values, [...shape]);
    },
  };
}
