/**
 * Measures how FER-2013's pictures lie around the box that the Haar cascade gives, so that faces from a camera can be
 * cut out the way the network saw them in training (src/vision/crop.ts holds the result).
 *
 *     tsx scripts/train/measure-crop.ts --data fer2013.csv.gz [--count 2000]
 */
import { parseArgs } from "node:util";
import { cv } from "../../src/base/opencv.js";
import { loadCascade } from "../../src/vision/cascade.js";
import { PICTURE_PIXELS, PICTURE_SIZE } from "./data/dataset.js";
import { readFer2013 } from "./data/fer2013.js";

/** Pictures are enlarged, because the cascade finds nothing under 24 pixels and is unsure just above. */
const ENLARGEMENT = 4;
/** Room around the picture for boxes that reach over its edge, in pixels of the picture. */
const PADDING = 12;

const { values } = parseArgs({
  options: { data: { type: "string" }, count: { type: "string", default: "2000" } },
});

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

async function main(): Promise<void> {
  if (values.data === undefined) throw new Error("usage: measure-crop --data fer2013.csv[.gz]");
  const training = (await readFer2013(values.data)).get("Training");
  if (training === undefined) throw new Error("no Training rows");
  const cascade = loadCascade("frontalface_default");
  const boxes: { size: number; x: number; y: number }[] = [];
  const count = Math.min(Number(values.count), training.count);
  for (let row = 0; row < count; row++) {
    const pixels = Buffer.from(training.pixels.subarray(row * PICTURE_PIXELS, (row + 1) * PICTURE_PIXELS));
    const picture = new cv.Mat(pixels, PICTURE_SIZE, PICTURE_SIZE, cv.CV_8UC1);
    const padded = picture.copyMakeBorder(PADDING, PADDING, PADDING, PADDING, cv.BORDER_REPLICATE);
    const side = (PICTURE_SIZE + 2 * PADDING) * ENLARGEMENT;
    const large = padded.resize(side, side, 0, 0, cv.INTER_CUBIC);
    try {
      const hits = await cascade.scan(large, { minSize: side / 3, scaleFactor: 1.05, minNeighbors: 4 });
      const best = hits.sort((a, b) => b.neighbors - a.neighbors)[0]?.box;
      if (best === undefined) continue;
      boxes.push({
        size: best.width / ENLARGEMENT,
        x: (best.x + best.width / 2) / ENLARGEMENT - PADDING,
        y: (best.y + best.height / 2) / ENLARGEMENT - PADDING,
      });
    } finally {
      for (const mat of [picture, padded, large]) mat.release();
    }
  }
  const size = median(boxes.map((box) => box.size));
  const quartiles = [0.1, 0.25, 0.75, 0.9].map((share) => {
    const sorted = boxes.map((box) => box.size).sort((a, b) => a - b);
    return (sorted[Math.floor(sorted.length * share)] ?? Number.NaN).toFixed(1);
  });
  console.log(`faces found: ${boxes.length} of ${count}`);
  console.log(
    `box side: median ${size.toFixed(2)} of ${PICTURE_SIZE} pixels; 10, 25, 75, 90 %: ${quartiles.join(", ")}`,
  );
  console.log(
    `box centre: median (${median(boxes.map((box) => box.x)).toFixed(2)}, ${median(boxes.map((box) => box.y)).toFixed(2)}); the picture's is (24, 24)`,
  );
  console.log(`the picture's side is ${(PICTURE_SIZE / size).toFixed(3)} of the box's`);
}

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
