import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { EMOTION_LABELS, type EmotionLabel } from "../../../src/emotion/labels.js";
import { type Tensor3D, tf } from "../tensorflow.js";
import {
  BadDataError,
  type BadRow,
  type Dataset,
  PICTURE_PIXELS,
  PICTURE_SIZE,
  type Split,
} from "./dataset.js";

/** Names that the copies of FER-2013 as images give its parts. */
const FOLDERS: readonly (readonly [folder: string, split: Split])[] = [
  ["train", "Training"],
  ["Training", "Training"],
  ["validation", "PublicTest"],
  ["PublicTest", "PublicTest"],
  ["test", "PublicTest"],
  ["PrivateTest", "PrivateTest"],
];

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
 * @throws BadDataError with every folder that is no label, and every file that is no image of that size.
 */
export function readImageFolder(root: string): Map<Split, Dataset> {
  const bad: BadRow[] = [];
  const pictures = new Map<Split, { label: number; pixels: Uint8Array }[]>();
  const taken = new Set<Split>();
  for (const [folder, split] of FOLDERS) {
    const labels = folderNames(join(root, folder));
    // `validation` goes before `test`: where there are both, the second is not for choosing.
    if (labels === null || taken.has(split)) continue;
    taken.add(split);
    for (const name of labels) {
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

function folderNames(folder: string): string[] | null {
  try {
    const entries = readdirSync(folder, { withFileTypes: true });
    return entries
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
      .sort();
  } catch {
    return null;
  }
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
