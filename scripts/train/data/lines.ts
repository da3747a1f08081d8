import { createReadStream } from "node:fs";
import { createGunzip } from "node:zlib";

export interface Line {
  /** 1 is the first. */
  readonly number: number;
  /** Without the line end. */
  readonly bytes: Buffer;
}

const NEWLINE = 10;
const RETURN = 13;

/** The lines of a text file, unzipped if its name ends in `.gz`. Empty lines are left out. */
export async function* lines(file: string): AsyncGenerator<Line> {
  const raw = createReadStream(file, { highWaterMark: 1 << 20 });
  const stream = file.endsWith(".gz") ? raw.pipe(createGunzip({ chunkSize: 1 << 20 })) : raw;
  // `pipe` does not hand errors on: without this a missing .gz would hang instead of failing.
  if (stream !== raw) raw.on("error", (error) => stream.destroy(error));
  let rest: Buffer = Buffer.alloc(0);
  let number = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    const text = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let start = 0;
    for (let end = text.indexOf(NEWLINE); end >= 0; end = text.indexOf(NEWLINE, start)) {
      number++;
      const line = withoutReturn(text.subarray(start, end));
      if (line.length > 0) yield { number, bytes: line };
      start = end + 1;
    }
    rest = text.subarray(start);
  }
  const line = withoutReturn(rest);
  if (line.length > 0) yield { number: number + 1, bytes: line };
}

function withoutReturn(line: Buffer): Buffer {
  return line.at(-1) === RETURN ? line.subarray(0, -1) : line;
}
