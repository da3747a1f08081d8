import { readFile, stat } from "node:fs/promises";
import { cv, LARGEST_PICTURE, type Mat } from "../../base/opencv.js";
import { CameraError } from "../camera.js";
import { decodeJpeg, withEndMarker } from "./jpeg-end.js";
import { describeFile } from "./photo-kind.js";
import { type PhotoHeader, readPhotoHeader } from "./photo-size.js";
import { upright } from "./upright.js";

/** A 12,000 × 9,000 JPEG at the best quality has some 60 MB. */
const LARGEST_FILE = 256 * 1024 * 1024;

/** JPEG decodes at a half, a quarter or an eighth for a fraction of the time and memory. */
const REDUCED: readonly { readonly by: number; readonly flag: number }[] = [
  { by: 8, flag: cv.IMREAD_REDUCED_COLOR_8 },
  { by: 4, flag: cv.IMREAD_REDUCED_COLOR_4 },
  { by: 2, flag: cv.IMREAD_REDUCED_COLOR_2 },
];

/**
 * Decodes a photo (JPEG, PNG, WebP, BMP, TIFF), turned as its EXIF orientation says.
 *
 * @param atLeast a photo may come scaled down, by 2, 4 or 8, to no less than this many pixels on its longer
 *   side; left out, it comes in its own size
 * @returns CV_8UC3, BGR; the caller releases it
 * @throws CameraError naming the file and what is wrong with it
 */
export async function readPhoto(path: string, atLeast?: number): Promise<Mat> {
  return (await readSizedPhoto(path, atLeast)).picture;
}

/** A photo, perhaps scaled down, and the size of the file's own picture, upright, in pixels. */
export interface SizedPhoto {
  readonly picture: Mat;
  readonly width: number;
  readonly height: number;
}

/** As readPhoto, with the size that the photo has in its file. */
export async function readSizedPhoto(path: string, atLeast?: number): Promise<SizedPhoto> {
  const bytes = await readBytes(path);
  const header = readPhotoHeader(bytes);
  const longer = header === null ? 0 : Math.max(header.width, header.height);
  // OpenCV makes a mistake in the size of a reduced TIFF that is turned.
  const reduced =
    atLeast === undefined || header?.format === "tiff"
      ? undefined
      : REDUCED.find(({ by }) => longer / by >= atLeast);
  if (header !== null) refuseTooLarge(path, header, reduced?.by ?? 1);
  const mended = header === null || header.complete ? null : await mend(path, header, bytes);
  const decoded = await decode(path, bytes, mended, reduced?.flag ?? cv.IMREAD_COLOR);
  const picture = await upright(decoded, header?.orientation ?? 1);
  if (header === null || reduced === undefined) return { picture, width: picture.cols, height: picture.rows };
  // EXIF may have turned the picture on its side.
  const turned = picture.cols > picture.rows !== header.width > header.height;
  const [width, height] = turned ? [header.height, header.width] : [header.width, header.height];
  return { picture, width, height };
}

async function decode(path: string, bytes: Buffer, mended: Buffer | null, flag: number): Promise<Mat> {
  let picture: Mat;
  try {
    // By name, not from the bytes: imdecodeAsync does not keep its buffer alive while it decodes.
    picture = await (mended === null ? cv.imreadAsync(path, flag) : decodeJpeg(mended, flag));
  } catch {
    // The binding says "empty Mat", whatever the reason.
    throw notAPhoto(path, bytes);
  }
  if (picture.empty) {
    picture.release();
    throw notAPhoto(path, bytes);
  }
  return picture;
}

/** A JPEG decodes at a fraction of its size, and of the memory; the others are whole in memory first. */
function refuseTooLarge(path: string, { format, width, height }: PhotoHeader, reducedBy: number): void {
  const by = format === "jpeg" ? reducedBy : 1;
  if ((width / by) * (height / by) <= LARGEST_PICTURE) return;
  const millions = (pixels: number) => Math.round(pixels / 1e6);
  throw new CameraError(
    `${path} has ${width} × ${height} pixels, which is ${millions(width * height)} million, and no more than ${millions(LARGEST_PICTURE)} million are read: make it smaller, for example with \`convert FILE -resize 4000x4000 smaller.jpg\``,
  );
}

/** @throws CameraError unless nothing but the end marker is missing */
async function mend(path: string, { format }: PhotoHeader, bytes: Buffer): Promise<Buffer> {
  const mended = format === "jpeg" ? await withEndMarker(bytes) : null;
  if (mended !== null) return mended;
  throw new CameraError(`${path} is truncated: its last part is missing; copy it again`);
}

async function readBytes(path: string): Promise<Buffer> {
  try {
    const found = await stat(path);
    if (found.isDirectory()) throw new CameraError(`${path} is a folder`);
    if (!found.isFile()) throw new CameraError(`${path} is a device, a pipe or a socket, and no photo`);
    if (found.size === 0) throw new CameraError(`${path} is empty`);
    if (found.size > LARGEST_FILE) throw new CameraError(`${path} is larger than 256 MiB: no photo`);
    return await readFile(path);
  } catch (error) {
    if (error instanceof CameraError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") throw new CameraError(`${path}: there is no such file`);
    if (code === "EACCES") throw new CameraError(`${path}: this user may not read it`);
    throw new CameraError(`${path}: ${message}`);
  }
}

function notAPhoto(path: string, bytes: Buffer): CameraError {
  return new CameraError(`${path} is ${describeFile(bytes)}`);
}
