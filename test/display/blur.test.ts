import { describe, expect, it } from "vitest";
import { cv } from "../../src/base/opencv.js";
import { pixelate } from "../../src/display/draw/blur.js";
import { pixelAt, plain } from "./fixtures.js";

function noise() {
  const picture = plain(200, 200);
  const pixels = Buffer.alloc(200 * 200 * 3);
  for (let index = 0; index < pixels.length; index++)
    pixels[index] = (index * 7919 + (index >> 3) * 104729) & 0xff;
  picture.release();
  return new cv.Mat(pixels, 200, 200, cv.CV_8UC3);
}

describe("pixelate", () => {
  it("leaves a few flat cells of a face and its surroundings, and nothing of the rest changed", () => {
    const picture = noise();
    const before = picture.copy();
    try {
      pixelate(picture, [{ x: 60, y: 60, width: 80, height: 80 }]);
      const colours = new Set<string>();
      for (let y = 43; y < 157; y++)
        for (let x = 43; x < 157; x++) colours.add(pixelAt(picture, x, y).join());
      expect(colours.size).toBeLessThanOrEqual(49);
      for (const [x, y] of [
        [20, 100],
        [100, 20],
        [180, 100],
        [100, 180],
      ] as const) {
        expect(pixelAt(picture, x, y)).toEqual(pixelAt(before, x, y));
      }
    } finally {
      before.release();
      picture.release();
    }
  });

  it("takes boxes that are half or wholly outside", () => {
    const picture = noise();
    try {
      pixelate(picture, [
        { x: -40, y: -40, width: 80, height: 80 },
        { x: 190, y: 190, width: 80, height: 80 },
        { x: 500, y: 500, width: 80, height: 80 },
        { x: 100, y: 100, width: 0, height: 0 },
      ]);
      expect(pixelAt(picture, 0, 0)).toEqual(pixelAt(picture, 5, 5));
    } finally {
      picture.release();
    }
  });
});
