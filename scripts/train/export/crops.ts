import { PICTURE_PIXELS, PICTURE_SIZE } from "../data/dataset.js";

/**
 * The middle `size` × `size` pixels of 48 × 48 pictures: what the network's input is on the device after
 * src/vision/crop.ts, and here without a camera.
 */
export function middles(pixels: Uint8Array, rows: ArrayLike<number>, size: number): Uint8Array {
  const edge = (PICTURE_SIZE - size) / 2;
  if (!Number.isInteger(edge) || edge < 0)
    throw new RangeError(`no middle of ${size} pixels in ${PICTURE_SIZE}`);
  const crops = new Uint8Array(rows.length * size * size);
  for (let i = 0; i < rows.length; i++) {
    for (let y = 0; y < size; y++) {
      const from = (rows[i] as number) * PICTURE_PIXELS + (y + edge) * PICTURE_SIZE + edge;
      crops.set(pixels.subarray(from, from + size), (i * size + y) * size);
    }
  }
  return crops;
}
