export const TIFF_WIDTH = 0x100;
export const TIFF_HEIGHT = 0x101;
const ORIENTATION = 0x112;

const SHORT = 3;
const LONG = 4;

/** The numbers in the first directory of a TIFF file, which is EXIF's form, too; no more than can be read of it. */
export function readTiffTags(bytes: Buffer): Map<number, number> {
  const tags = new Map<number, number>();
  const little = bytes.toString("latin1", 0, 4) === "II*\0";
  if (bytes.length < 8 || (!little && bytes.toString("latin1", 0, 4) !== "MM\0*")) return tags;
  const short = (at: number) => (little ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at));
  const long = (at: number) => (little ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at));
  const directory = long(4);
  if (directory + 2 > bytes.length) return tags;
  const entries = short(directory);
  for (let index = 0; index < entries; index++) {
    const at = directory + 2 + 12 * index;
    if (at + 12 > bytes.length) break;
    const type = short(at + 2);
    if (type === SHORT) tags.set(short(at), short(at + 8));
    else if (type === LONG) tags.set(short(at), long(at + 8));
  }
  return tags;
}

/**
 * How EXIF data says that a picture is to be turned and mirrored.
 *
 * @param exif with or without the `Exif` that JPEG puts before it
 * @returns 1 (as it is) to 8; 1 where it says nothing
 */
export function exifOrientation(exif: Buffer): number {
  const tiff = exif.toString("latin1", 0, 6) === "Exif\0\0" ? exif.subarray(6) : exif;
  const value = readTiffTags(tiff).get(ORIENTATION) ?? 1;
  return value >= 1 && value <= 8 ? value : 1;
}
