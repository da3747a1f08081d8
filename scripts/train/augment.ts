import { PICTURE_PIXELS, PICTURE_SIZE } from "./data/dataset.js";
import { PIXEL_MEAN, PIXEL_SCALE } from "./pixels.js";
import type { Random } from "./random.js";
import { type Tensor4D, tf, warp } from "./tensorflow.js";

/** How far training pictures are bent; 0 everywhere leaves them as they are. */
export interface Augmentation {
  readonly flip: boolean;
  /** Largest shift in pixels of the 48 × 48 picture. */
  readonly shift: number;
  /** Largest rotation in degrees. */
  readonly rotation: number;
  /** Largest change of scale, 0.1 for 0.9 to 1.1. */
  readonly scale: number;
  /** Largest change of contrast, 0.3 for 0.7 to 1.3. */
  readonly contrast: number;
  /** Largest change of brightness in grey levels. */
  readonly brightness: number;
  /** How often a rectangle is filled with one grey level. */
  readonly erasing: number;
  /** How often a picture is made as coarse as that of a small or blurred face. */
  readonly blur: number;
}

/** Sides, in pixels of the network's input, that a coarse picture is brought down to before it is enlarged again. */
const COARSE = { least: 14, most: 32 } as const;

/** Row of a transform for `warp`, from output pixels of side `size` to a window of `window` pixels around the centre. */
function transformRow(
  size: number,
  window: number,
  angle: number,
  flip: boolean,
  dx: number,
  dy: number,
): number[] {
  const k = window / size;
  const cos = Math.cos(angle) * k;
  const sin = Math.sin(angle) * k;
  const mirror = flip ? -1 : 1;
  const middleIn = (PICTURE_SIZE - 1) / 2;
  const middleOut = (size - 1) / 2;
  const a = [cos * mirror, -sin, sin * mirror, cos] as const;
  return [
    a[0],
    a[1],
    middleIn + dx - (a[0] + a[1]) * middleOut,
    a[2],
    a[3],
    middleIn + dy - (a[2] + a[3]) * middleOut,
    0,
    0,
  ];
}

/** Gathers rows of 48 × 48 pictures as one tensor, N × 48 × 48 × 1, still 0 to 255. */
function gather(pixels: Uint8Array, rows: ArrayLike<number>): Tensor4D {
  const values = new Float32Array(rows.length * PICTURE_PIXELS);
  for (let i = 0; i < rows.length; i++) {
    const from = (rows[i] as number) * PICTURE_PIXELS;
    values.set(pixels.subarray(from, from + PICTURE_PIXELS), i * PICTURE_PIXELS);
  }
  return tf.tensor4d(values, [rows.length, PICTURE_SIZE, PICTURE_SIZE, 1]);
}

/**
 * The network's input for `rows` of `pixels` without augmentation: the middle `window` × `window` pixels at `size`,
 * normalized.
 */
export function plainBatch(
  pixels: Uint8Array,
  rows: ArrayLike<number>,
  size: number,
  window: number,
): Tensor4D {
  return tf.tidy(() => {
    const pictures = gather(pixels, rows);
    const transforms = Array.from(rows, () => transformRow(size, window, 0, false, 0, 0)).flat();
    return normalize(warp(pictures, tf.tensor2d(transforms, [rows.length, 8]), size, size));
  });
}

/** The network's input for `rows` of `pixels`, each bent at random. Same random state, same batch. */
export function augmentedBatch(
  pixels: Uint8Array,
  rows: ArrayLike<number>,
  size: number,
  window: number,
  augmentation: Augmentation,
  random: Random,
): Tensor4D {
  const { shift, rotation, scale, contrast, brightness, erasing, blur } = augmentation;
  const count = rows.length;
  const transforms: number[] = [];
  const gains = new Float32Array(count);
  const offsets = new Float32Array(count);
  const masks = new Float32Array(count * size * size).fill(1);
  const fills = new Float32Array(count * size * size);
  for (let i = 0; i < count; i++) {
    const angle = (random.between(-rotation, rotation) * Math.PI) / 180;
    const zoom = window * random.between(1 - scale, 1 + scale);
    const flip = augmentation.flip && random.uniform() < 0.5;
    transforms.push(
      ...transformRow(size, zoom, angle, flip, random.between(-shift, shift), random.between(-shift, shift)),
    );
    gains[i] = random.between(1 - contrast, 1 + contrast);
    offsets[i] = random.between(-brightness, brightness) / PIXEL_SCALE;
    if (random.uniform() < erasing) erase(masks, fills, i, size, random);
  }
  const coarse = blur === 0 ? undefined : coarsePictures(count, blur, random);
  return tf.tidy(() => {
    const sharp = normalize(warp(gather(pixels, rows), tf.tensor2d(transforms, [count, 8]), size, size));
    const warped = coarse === undefined ? sharp : coarsened(sharp, size, coarse);
    const toned = tf.clipByValue(
      tf.add(tf.mul(warped, tf.tensor4d(gains, [count, 1, 1, 1])), tf.tensor4d(offsets, [count, 1, 1, 1])),
      -PIXEL_MEAN / PIXEL_SCALE,
      (255 - PIXEL_MEAN) / PIXEL_SCALE,
    );
    if (erasing === 0) return toned as Tensor4D;
    const shape: [number, number, number, number] = [count, size, size, 1];
    return tf.add(tf.mul(toned, tf.tensor4d(masks, shape)), tf.tensor4d(fills, shape)) as Tensor4D;
  });
}

interface CoarsePictures {
  readonly side: number;
  /** 1 where a picture becomes coarse, 0 where it stays. */
  readonly which: Float32Array;
}

/** One side for a batch: the pictures of a tensor share their size. */
function coarsePictures(count: number, share: number, random: Random): CoarsePictures {
  const side = COARSE.least + random.below(COARSE.most - COARSE.least + 1);
  return { side, which: Float32Array.from({ length: count }, () => (random.uniform() < share ? 1 : 0)) };
}

function coarsened(images: Tensor4D, size: number, { side, which }: CoarsePictures): Tensor4D {
  const small = tf.image.resizeBilinear(tf.avgPool(images, 2, 1, "same"), [side, side]);
  const large = tf.image.resizeBilinear(small, [size, size]);
  const mask = tf.tensor4d(which, [which.length, 1, 1, 1]);
  return tf.add(images, tf.mul(tf.sub(large, images), mask)) as Tensor4D;
}

function normalize(images: Tensor4D): Tensor4D {
  return tf.mul(tf.sub(images, PIXEL_MEAN), 1 / PIXEL_SCALE);
}

/** Random erasing (arXiv 1708.04896): a rectangle of 4 to 20 % of the picture becomes one grey level. */
function erase(
  masks: Float32Array,
  fills: Float32Array,
  picture: number,
  size: number,
  random: Random,
): void {
  const area = random.between(0.04, 0.2) * size * size;
  const aspect = Math.exp(random.between(Math.log(0.5), Math.log(2)));
  const height = Math.min(size, Math.round(Math.sqrt(area * aspect)));
  const width = Math.min(size, Math.round(Math.sqrt(area / aspect)));
  const top = random.below(size - height + 1);
  const left = random.below(size - width + 1);
  const fill = random.between(-1.5, 1.5);
  for (let y = top; y < top + height; y++) {
    const from = (picture * size + y) * size + left;
    masks.fill(0, from, from + width);
    fills.fill(fill, from, from + width);
  }
}
