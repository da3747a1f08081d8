import { PICTURE_SIZE, type Split } from "../../scripts/train/data/dataset.js";
import { createRandom } from "../../scripts/train/random.js";

/**
 * Rows of a made-up fer2013.csv: each label is a stripe pattern of its own, with noise, so that a network can learn
 * them in seconds.
 */
export function syntheticRows(split: Split, count: number, seed: number): string[] {
  const random = createRandom(seed);
  return Array.from({ length: count }, (_, row) => {
    const label = row % 7;
    const pixels: number[] = [];
    for (let y = 0; y < PICTURE_SIZE; y++) {
      for (let x = 0; x < PICTURE_SIZE; x++) {
        const angle = (label * Math.PI) / 7;
        const wave = Math.sin((x * Math.cos(angle) + y * Math.sin(angle)) * 0.6);
        pixels.push(Math.round(Math.min(255, Math.max(0, 128 + 70 * wave + 20 * random.normal()))));
      }
    }
    return `${label},${pixels.join(" ")},${split}`;
  });
}

export const HEADER = "emotion,pixels,Usage";
export const FERPLUS_HEADER =
  "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF";
