import { exifOrientation, readTiffTags, TIFF_HEIGHT, TIFF_WIDTH } from "./exif.js";

/** What a photo's bytes say of it; sizes in pixels, before any rotation that EXIF asks for. */
export interface PhotoHeader {
  readonly format: "jpeg" | "png" | "webp" | "bmp" | "tiff";
  readonly width: number;
  readonly height: number;
  /** Whether its end is there: decoders fill the rest of a truncated photo with grey, and call it a success. */
  readonly complete: boolean;
  /** EXIF's, 1 to 8, of a format whose decoder does not know it. */
  readonly orientation?: number;
}

const PNG_SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const END_OF_IMAGE = Buffer.from([0xff, 0xd9]);

/** @returns null when the bytes are none of these formats, or their header is broken */
export function readPhotoHeader(bytes: Buffer): PhotoHeader | null {
  if (bytes.length >= 24 && bytes.subarray(0, 8).equals(PNG_SIGNATURE)) {
    return {
      format: "png",
      width: bytes.readUInt32BE(16),
      height: bytes.readUInt32BE(20),
      complete: bytes.lastIndexOf("IEND", undefined, "latin1") >= 0,
    };
  }
  if (bytes.length >= 4 && bytes[0] === 0xff && bytes[1] === 0xd8) return readJpegHeader(bytes);
  const start = bytes.toString("latin1", 0, 12);
  if (start.startsWith("RIFF") && start.startsWith("WEBP", 8)) return readWebpHeader(bytes);
  if (start.startsWith("BM") && bytes.length >= 26) return readBmpHeader(bytes);
  if (start.startsWith("II*\0") || start.startsWith("MM\0*")) return readTiffHeader(bytes);
  return null;
}

function readJpegHeader(bytes: Buffer): PhotoHeader | null {
  let size: { width: number; height: number } | undefined;
  for (let at = 2; at + 4 <= bytes.length; ) {
    if (bytes[at] !== 0xff) return null;
    const marker = bytes[at + 1] ?? 0;
    if (marker === 0xff) {
      // A fill byte.
      at += 1;
      continue;
    }
    const length = bytes.readUInt16BE(at + 2);
    if (length < 2) return null;
    const isFrame = marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
    if (isFrame && at + 9 <= bytes.length) {
      size = { height: bytes.readUInt16BE(at + 5), width: bytes.readUInt16BE(at + 7) };
    }
    if (marker === 0xda) {
      // Entropy-coded data never holds the end marker; a thumbnail's lies before it.
      const complete = bytes.indexOf(END_OF_IMAGE, at + 2 + length) >= 0;
      return size === undefined ? null : { format: "jpeg", ...size, complete };
    }
    at += 2 + length;
  }
  return null;
}

/** https://developers.google.com/speed/webp/docs/riff_container */
function readWebpHeader(bytes: Buffer): PhotoHeader | null {
  const end = bytes.length < 8 ? 0 : bytes.readUInt32LE(4) + 8;
  let size: { width: number; height: number } | undefined;
  let orientation = 1;
  for (let at = 12; at + 8 <= Math.min(bytes.length, end); ) {
    const name = bytes.toString("latin1", at, at + 4);
    const length = bytes.readUInt32LE(at + 4);
    const data = bytes.subarray(at + 8, at + 8 + length);
    size ??= webpSize(name, data);
    if (name === "EXIF") orientation = exifOrientation(data);
    // Chunks begin at even places.
    at += 8 + length + (length % 2);
  }
  return size === undefined
    ? null
    : {
        format: "webp",
        ...size,
        complete: bytes.length >= end,
        ...(orientation === 1 ? {} : { orientation }),
      };
}

function webpSize(name: string, data: Buffer): { width: number; height: number } | undefined {
  if (name === "VP8X" && data.length >= 10) {
    return { width: data.readUIntLE(4, 3) + 1, height: data.readUIntLE(7, 3) + 1 };
  }
  if (name === "VP8L" && data.length >= 5) {
    const bits = data.readUInt32LE(1);
    return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
  }
  if (name === "VP8 " && data.length >= 10) {
    return { width: data.readUInt16LE(6) & 0x3fff, height: data.readUInt16LE(8) & 0x3fff };
  }
  return undefined;
}

function readBmpHeader(bytes: Buffer): PhotoHeader {
  const old = bytes.readUInt32LE(14) === 12;
  const width = old ? bytes.readUInt16LE(18) : Math.abs(bytes.readInt32LE(18));
  const height = old ? bytes.readUInt16LE(20) : Math.abs(bytes.readInt32LE(22));
  // Many programs leave the file's size out: only one that is there, and not reached, tells anything.
  return { format: "bmp", width, height, complete: bytes.length >= bytes.readUInt32LE(10) };
}

function readTiffHeader(bytes: Buffer): PhotoHeader | null {
  const tags = readTiffTags(bytes);
  const width = tags.get(TIFF_WIDTH);
  const height = tags.get(TIFF_HEIGHT);
  return width === undefined || height === undefined
    ? null
    : { format: "tiff", width, height, complete: true };
}
