import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { EMOTION_LABELS, type EmotionLabel } from "../../../src/base/labels.js";
import { cv, type Mat } from "../../../src/base/opencv.js";
import {
  BadDataError,
  type BadRow,
  type Dataset,
  PICTURE_PIXELS,
  PICTURE_SIZE,
  SPLITS,
  type Split,
} from "./dataset.js";

/**
 * Names that the copies of FER-2013 as images give its parts, in lower case. `test` is PublicTest where nothing else
 * is, and PrivateTest beside that: what is chosen on one of them, the other has not seen.
 */
const FOLDERS: ReadonlyMap<string, Split | "test"> = new Map([
  ["train", "Training"],
  ["training", "Training"],
  ["validation", "PublicTest"],
  ["valid", "PublicTest"],
  ["val", "PublicTest"],
  ["publictest", "PublicTest"],
  ["test", "test"],
  ["privatetest", "PrivateTest"],
]);

/** Other words for the seven, in lower case. */
const ALIASES: Readonly<Record<string, EmotionLabel>> = {
  anger: "angry",
  disgusted: "disgust",
  fearful: "fear",
  scared: "fear",
  afraid: "fear",
  happiness: "happy",
  joy: "happy",
  sadness: "sad",
  surprised: "surprise",
  neutrality: "neutral",
  calm: "neutral",
};

/** The label that a folder's name means (`happy`, `Happiness`, `3_happy`), as an index, or -1. */
function labelOf(folder: string): number {
  const word = folder.toLowerCase().replace(/^\d+[\s._-]*|[\s._-]*\d+$/g, "");
  return EMOTION_LABELS.indexOf((ALIASES[word] ?? word) as EmotionLabel);
}

/** One picture of a folder. */
interface Picture {
  readonly label: number;
  readonly pixels: Uint8Array;
  readonly file: string;
}

/** A folder of images, part by part. */
export interface ImageFolder {
  readonly sets: ReadonlyMap<Split, Dataset>;
  /** The file of each row. */
  readonly files: ReadonlyMap<Split, readonly string[]>;
  /** Files that are no images: they are left out. */
  readonly unreadable: readonly string[];
}

/**
 * Reads a folder of images: `train/<label>/*.png|jpg` and `test/<label>/…`, of any size and colour. They become 48 × 48
 * grey pixels, whatever their sides were, as the tutorial's loader makes them.
 *
 * @throws BadDataError with every folder that is no part or no label.
 */
export function readImageFolder(root: string): ImageFolder {
  const bad: BadRow[] = [];
  const unreadable: string[] = [];
  const pictures = new Map<Split, Picture[]>(SPLITS.map((split) => [split, []]));
  for (const [folder, split] of partsOf(root, bad)) {
    const { found, broken } = readLabelFolders(join(root, folder), bad);
    pictures.set(split, found);
    unreadable.push(...broken);
  }
  if (bad.length > 0) throw new BadDataError(bad);
  const entries = [...pictures];
  return {
    sets: new Map(entries.map(([split, list]) => [split, datasetOf(split, list)])),
    files: new Map(entries.map(([split, list]) => [split, list.map(({ file }) => file)])),
    unreadable,
  };
}

/**
 * Reads one part of a folder of images, `<label>/*`, as `split`.
 *
 * @throws BadDataError with every folder that is no label
 */
export function readImagePart(
  folder: string,
  split: Split,
): { dataset: Dataset; unreadable: readonly string[] } {
  const bad: BadRow[] = [];
  const { found, broken } = readLabelFolders(folder, bad);
  if (bad.length > 0) throw new BadDataError(bad);
  return { dataset: datasetOf(split, found), unreadable: broken };
}

function readLabelFolders(folder: string, bad: BadRow[]): { found: Picture[]; broken: string[] } {
  const found: Picture[] = [];
  const broken: string[] = [];
  for (const name of folderNames(folder)) {
    const label = labelOf(name);
    if (label < 0) {
      bad.push({ file: join(folder, name), line: null, reason: `is none of ${EMOTION_LABELS.join(", ")}` });
      continue;
    }
    for (const file of imageFiles(join(folder, name))) {
      const pixels = readPicture(file);
      if (pixels === null) broken.push(file);
      else found.push({ label, pixels, file });
    }
  }
  return { found, broken };
}

function datasetOf(split: Split, list: readonly Picture[]): Dataset {
  const pixels = new Uint8Array(list.length * PICTURE_PIXELS);
  list.forEach((picture, row) => {
    pixels.set(picture.pixels, row * PICTURE_PIXELS);
  });
  return {
    split,
    count: list.length,
    pixels,
    labels: Uint8Array.from(list, ({ label }) => label),
    votes: null,
  };
}

/** Which folder is which part; each part is one folder. */
function partsOf(root: string, bad: BadRow[]): Map<string, Split> {
  const folders = folderNames(root);
  const parts = new Map<string, Split>();
  const found = new Map<Split, string>();
  const known = (folder: string) => FOLDERS.get(folder.toLowerCase());
  const hasPublic = folders.some((folder) => known(folder) === "PublicTest");
  for (const folder of folders) {
    const name = known(folder);
    const split = name === "test" ? (hasPublic ? "PrivateTest" : "PublicTest") : name;
    if (split === undefined) {
      const reason = `is no part of FER-2013: ${[...FOLDERS.keys()].join(", ")} are known`;
      bad.push({ file: join(root, folder), line: null, reason });
      continue;
    }
    const other = found.get(split);
    if (other !== undefined) {
      bad.push({
        file: join(root, folder),
        line: null,
        reason: `is ${split}, as ${other} is: keep one of them`,
      });
      continue;
    }
    found.set(split, folder);
    parts.set(folder, split);
  }
  return parts;
}

/** The folders in a folder, by name. */
export function folderNames(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort();
}

function imageFiles(folder: string): string[] {
  const names = readdirSync(folder).filter((name) => /\.(png|jpe?g|bmp|webp|pgm|tiff?)$/i.test(name));
  return names.sort().map((name) => join(folder, name));
}

/** The picture's grey pixels, 48 × 48, or null when it is none that OpenCV reads. */
function readPicture(file: string): Uint8Array | null {
  const mats: Mat[] = [];
  const kept = (mat: Mat) => {
    mats.push(mat);
    return mat;
  };
  try {
    const bytes = readFileSync(file);
    // OpenCV's addon ends the process on no bytes at all.
    if (bytes.length === 0) return null;
    const image = kept(cv.imdecode(bytes, cv.IMREAD_GRAYSCALE));
    if (image.empty) return null;
    const shrinks = image.cols >= PICTURE_SIZE && image.rows >= PICTURE_SIZE;
    const method = shrinks ? cv.INTER_AREA : cv.INTER_LINEAR;
    return Uint8Array.from(kept(image.resize(PICTURE_SIZE, PICTURE_SIZE, 0, 0, method)).getData());
  } catch {
    return null;
  } finally {
    for (const mat of mats) mat.release();
  }
}
