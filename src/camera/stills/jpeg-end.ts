import { cv, type Mat } from "../../base/opencv.js";

const END_OF_IMAGE = Buffer.from([0xff, 0xd9]);
/** What a decoder would take for more of the picture if it wanted more; no byte of it is a marker's. */
const MORE = Buffer.from(
  Array.from({ length: 4096 }, (_, index) => ((index * 167 + 89) ^ (index >> 3)) % 255),
);

/**
 * Gives a JPEG the end marker that it lacks, as some cameras' do. Whether the picture is all there the decoder tells: one
 * that has all its data skips what comes before the end, and one that lacks some takes it for the rest of the picture.
 *
 * @returns the whole file, or null when a part of the picture is missing
 */
export async function withEndMarker(jpeg: Buffer): Promise<Buffer | null> {
  let end = jpeg.length;
  // The first half of the marker may be there.
  while (end > 0 && jpeg[end - 1] === 0xff) end -= 1;
  const data = jpeg.subarray(0, end);
  if (!hasAllScans(data)) return null;
  const whole = Buffer.concat([data, END_OF_IMAGE]);
  return (await lookAlike(whole, Buffer.concat([data, MORE, END_OF_IMAGE]))) ? whole : null;
}

/** Decodes a JPEG that lies in memory. */
export async function decodeJpeg(jpeg: Buffer, flags: number): Promise<Mat> {
  const picture = await cv.imdecodeAsync(jpeg, flags);
  // The binding does not keep the bytes alive while it decodes.
  if (jpeg.length === 0) throw new Error("no JPEG");
  return picture;
}

async function lookAlike(one: Buffer, other: Buffer): Promise<boolean> {
  const pictures: Mat[] = [];
  try {
    for (const jpeg of [one, other]) {
      pictures.push(await decodeJpeg(jpeg, cv.IMREAD_COLOR | cv.IMREAD_IGNORE_ORIENTATION));
    }
    const [first, second] = await Promise.all(pictures.map((picture) => picture.getDataAsync()));
    return first !== undefined && second !== undefined && first.length > 0 && first.equals(second);
  } catch {
    return false;
  } finally {
    for (const picture of pictures) picture.release();
  }
}

/**
 * Whether the scans that begin in a file are all that its picture has. A progressive one sends each component's
 * coefficients in parts, the last bit of each last; between two scans the decoder would not miss the next one.
 */
function hasAllScans(jpeg: Buffer): boolean {
  /** Of each component's 64 coefficients, the lowest bit that has come. */
  const lowest = new Map<number, number[]>();
  for (let at = 2; at + 4 <= jpeg.length; ) {
    const marker = jpeg[at] === 0xff ? (jpeg[at + 1] ?? 0) : 0;
    if (marker === 0xff || marker < 0xc0 || (marker >= 0xd0 && marker <= 0xd7)) {
      // Coded data, up to the next marker.
      const next = jpeg.indexOf(0xff, at + 1);
      if (next < 0) break;
      at = next;
      continue;
    }
    const length = jpeg.readUInt16BE(at + 2);
    const body = jpeg.subarray(at + 4, at + 2 + length);
    if (marker === 0xda) takeScan(body, lowest);
    else if (marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc) {
      for (let index = 0; index < (body[5] ?? 0); index++) {
        lowest.set(body[6 + 3 * index] ?? 0, Array<number>(64).fill(Number.POSITIVE_INFINITY));
      }
    }
    at += 2 + length;
  }
  return lowest.size > 0 && [...lowest.values()].every((bits) => bits.every((bit) => bit === 0));
}

function takeScan(body: Buffer, lowest: Map<number, number[]>): void {
  const components = body[0] ?? 0;
  const parameters = 1 + 2 * components;
  const first = body[parameters] ?? 0;
  const last = Math.min(63, body[parameters + 1] ?? 0);
  const bit = (body[parameters + 2] ?? 0) & 15;
  for (let index = 0; index < components; index++) {
    lowest.get(body[1 + 2 * index] ?? 0)?.fill(bit, first, last + 1);
  }
}
