import { describe, expect, it } from "vitest";
import { cv } from "../../src/base/opencv.js";
import { thumbnailOf } from "../../src/vision/thumbnail.js";

describe("the thumbnail", () => {
  for (const [width, height] of [
    [640, 480],
    [480, 270],
    [640, 360],
    [1280, 720],
    [1920, 1080],
    [333, 250],
    [60, 40],
  ] as const) {
    it(`of ${width}×${height} is the mean of the pixels under each cell`, () => {
      const pixels = Buffer.alloc(width * height);
      for (let y = 0; y < height; y++)
        for (let x = 0; x < width; x++) {
          const texture = (x * 7 + y * 13) % 17;
          pixels[y * width + x] = Math.round(128 + 60 * Math.sin(x / 23) + 50 * Math.cos(y / 17) + texture);
        }
      const grey = new cv.Mat(pixels, height, width, cv.CV_8UC1);
      try {
        const { columns, rows, cells } = thumbnailOf(grey);
        expect(cells).toHaveLength(columns * rows);
        const [across, down] = [width / columns, height / rows];
        for (const [column, row] of [
          [0, 0],
          [Math.floor(columns / 2), Math.floor(rows / 2)],
          [columns - 1, rows - 1],
        ] as const) {
          let [sum, count] = [0, 0];
          for (let y = Math.round(row * down); y < Math.round((row + 1) * down); y++)
            for (let x = Math.round(column * across); x < Math.round((column + 1) * across); x++) {
              sum += pixels[y * width + x] as number;
              count++;
            }
          // Halves are rounded one after another, and where cells are no whole pixels these are shared.
          expect(Math.abs((cells[row * columns + column] as number) - sum / count)).toBeLessThan(4);
        }
      } finally {
        grey.release();
      }
    });
  }
});
