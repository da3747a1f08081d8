/** What a photo's first bytes say of it; sizes in pixels, before any rotation that EXIF asks for. */
export interface PhotoHeader {
  readonly format: "jpeg" | "png";
  readonly width: number;
  readonly height: number;
  /** Whether its end is there: decoders fill the rest of a truncated photo with grey, and call it a success. */
  readonly complete: boolean;
}

const PNG_SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const END_OF_IMAGE = Buffer.from([0xff, 0xd9]);

/** @returns null when the bytes are neither JPEG nor PNG, or their header is broken */
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
