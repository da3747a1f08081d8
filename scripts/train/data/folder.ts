import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { EMOTION_LABELS, type EmotionLabel } from "../../../src/base/labels.js";
import { type Tensor3D, tf } from "../tensorflow.js";
import {
  BadDataError,
  type BadRow,
  type Dataset,
  PICTURE_PIXELS,
  PICTURE_SIZE,
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

const ALIASES: Readonly<Record<string, EmotionLabel>> = {
  anger: "angry",
  disgusted: "disgust",
  fearful: "fear",
  happiness: "happy",
  sadness: "sad",
  surprised: "surprise",
};

/**
 * Reads FER-2013 as a folder of images: `train/<label>/*.png|jpg` and `test/<label>/…`, 48 × 48 each.
 *
 * @throws BadDataError with every folder that is no part or no label, and every file that is no image of that size.
 */
export function readImageFolder(root: string): Map<Split, Dataset> {
  const bad: BadRow[] = [];
  const pictures = new Map<Split, { label: number; pixels: Uint8Array }[]>();
  for (const [folder, split] of partsOf(root, bad)) {
    for (const name of folderNames(join(root, folder))) {
      const label = EMOTION_LABELS.indexOf(
        (ALIASES[name.toLowerCase()] ?? name.toLowerCase()) as EmotionLabel,
      );
      if (label < 0) {
        bad.push({
          file: join(root, folder, name),
          line: null,
          reason: `is none of ${EMOTION_LABELS.join(", ")}`,
        });
        continue;
      }
      for (const file of imageFiles(join(root, folder, name))) {
        const pixels = readPicture(file);
        if (typeof pixels === "string") bad.push({ file, line: null, reason: pixels });
        else listOf(pictures, split).push({ label, pixels });
      }
    }
  }
  if (bad.length > 0) throw new BadDataError(bad);
  const sets = new Map<Split, Dataset>();
  for (const split of ["Training", "PublicTest", "PrivateTest"] as const) {
    const list = pictures.get(split) ?? [];
    const pixels = new Uint8Array(list.length * PICTURE_PIXELS);
    list.forEach((picture, row) => {
      pixels.set(picture.pixels, row * PICTURE_PIXELS);
    });
    const labels = Uint8Array.from(list, ({ label }) => label);
    sets.set(split, { split, count: list.length, pixels, labels, votes: null });
  }
  return sets;
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

function folderNames(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort();
}

function imageFiles(folder: string): string[] {
  const names = readdirSync(folder).filter((name) => /\.(png|jpe?g)$/i.test(name));
  return names.sort().map((name) => join(folder, name));
}

/** The picture's grey pixels, or what is wrong with it. */
function readPicture(file: string): Uint8Array | string {
  return tf.tidy(() => {
    let image: Tensor3D;
    try {
      image = tf.node.decodeImage(readFileSync(file), 1) as Tensor3D;
    } catch {
      return "is no image that can be read";
    }
    const [height, width] = image.shape;
    if (height !== PICTURE_SIZE || width !== PICTURE_SIZE) {
      return `is ${width} × ${height} pixels, not ${PICTURE_SIZE} × ${PICTURE_SIZE}`;
    }
    return Uint8Array.from(image.dataSync());
  });
}

function listOf<K, V>(map: Map<K, V[]>, key: K): V[] {
  const list = map.get(key) ?? [];
  map.set(key, list);
  return list;
}
