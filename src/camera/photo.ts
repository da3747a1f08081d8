import { open, stat } from "node:fs/promises";
import { cv, type Mat } from "../vision/opencv.js";
import { CameraError } from "./camera.js";
import { type PhotoHeader, readPhotoHeader } from "./photo-size.js";

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
  const header = await inspect(path);
  if (header !== null && !header.complete) {
    throw new CameraError(`${path} is truncated: its last part is missing; copy it again`);
  }
  const longer = header === null ? 0 : Math.max(header.width, header.height);
  const reduced = atLeast === undefined ? undefined : REDUCED.find(({ by }) => longer / by >= atLeast);
  let picture: Mat;
  try {
    // By name, not from the bytes: imdecodeAsync does not keep its buffer alive while it decodes.
    picture = await cv.imreadAsync(path, reduced?.flag ?? cv.IMREAD_COLOR);
  } catch {
    // The binding says "empty Mat", whatever the reason.
    throw notAPhoto(path);
  }
  if (picture.empty) {
    picture.release();
    throw notAPhoto(path);
  }
  if (header === null || reduced === undefined) return { picture, width: picture.cols, height: picture.rows };
  // EXIF may have turned the picture on its side.
  const turned = picture.cols > picture.rows !== header.width > header.height;
  const [width, height] = turned ? [header.height, header.width] : [header.width, header.height];
  return { picture, width, height };
}

async function inspect(path: string): Promise<PhotoHeader | null> {
  try {
    const { size } = await stat(path);
    if (size === 0) throw new CameraError(`${path} is empty`);
    if (size > LARGEST_FILE) throw new CameraError(`${path} is larger than 256 MiB: no photo`);
    const file = await open(path);
    try {
      return readPhotoHeader(await file.readFile());
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof CameraError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") throw new CameraError(`${path}: there is no such file`);
    if (code === "EACCES") throw new CameraError(`${path}: this user may not read it`);
    if (code === "EISDIR") throw new CameraError(`${path} is a folder`);
    throw new CameraError(`${path}: ${message}`);
  }
}

function notAPhoto(path: string): CameraError {
  return new CameraError(`${path} is no photo that can be decoded (JPEG, PNG, WebP, BMP and TIFF can)`);
}
