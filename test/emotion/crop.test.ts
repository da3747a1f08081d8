import { afterEach, describe, expect, test } from "vitest";
import { cv, type Mat } from "../../src/base/opencv.js";
import { cropFaces } from "../../src/vision/crop.js";
import { CROP_PER_BOX } from "../../src/vision/crop-size.js";

const mats: Mat[] = [];

afterEach(() => {
  for (const mat of mats.splice(0)) mat.release();
});

/** A grey picture whose pixel at (x, y) is what `at` says. */
function picture(width: number, height: number, at: (x: number, y: number) => number): Mat {
  const bytes = Buffer.alloc(width * height);
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) bytes[y * width + x] = at(x, y);
  const mat = new cv.Mat(bytes, height, width, cv.CV_8UC1);
  mats.push(mat);
  return mat;
}

describe("cropFaces", () => {
  test("takes the share of the box that the network was trained on, about its middle", async () => {
    // A slope: each pixel tells its x.
    const grey = picture(240, 120, (x) => x);
    const box = { x: 60, y: 10, width: 94, height: 94 };
    const crop = await cropFaces(grey, [box], 44);
    const side = 94 * CROP_PER_BOX;
    const left = 60 + (94 - side) / 2;
    expect(side).toBeCloseTo(88);
    expect(crop[0]).toBeCloseTo(left + 0.5, -0.5);
    expect(crop[43]).toBeCloseTo(left + side - 1.5, -0.5);
    // Rows are the same; the middle is the middle of the box.
    expect(crop[20 * 44 + 22]).toBe(crop[22]);
    expect(Math.abs((crop[22] as number) - (60 + 47))).toBeLessThan(2);
  });

  test("repeats the edge where a face reaches out of the picture, on each side", async () => {
    const grey = picture(100, 100, (x, y) => (x < 50 ? 40 : 200) + (y < 50 ? 0 : 20));
    const corners = [
      { x: -40, y: -40, width: 80, height: 80 },
      { x: 60, y: -40, width: 80, height: 80 },
      { x: -40, y: 60, width: 80, height: 80 },
      { x: 60, y: 60, width: 80, height: 80 },
    ];
    const crops = await cropFaces(grey, corners, 20);
    const means = corners.map((_, i) => {
      const values = crops.subarray(i * 400, (i + 1) * 400);
      return values.reduce((sum, value) => sum + value, 0) / 400;
    });
    expect(means).toEqual([40, 200, 60, 220]);
  });

  test("shrinks by averaging: a fine chequerboard becomes grey", async () => {
    const grey = picture(200, 200, (x, y) => ((x + y) % 2) * 255);
    const crop = await cropFaces(grey, [{ x: 6, y: 6, width: 188, height: 188 }], 44);
    expect(Math.min(...crop)).toBeGreaterThan(120);
    expect(Math.max(...crop)).toBeLessThan(136);
  });

  test("enlarges small faces", async () => {
    const grey = picture(60, 60, (x) => x * 4);
    const crop = await cropFaces(grey, [{ x: 15, y: 15, width: 24, height: 24 }], 44);
    expect(crop.length).toBe(44 * 44);
    expect(crop[43] as number).toBeGreaterThan(crop[0] as number);
  });

  test("turns a tilted head upright", async () => {
    // A picture of a bar through the middle, tilted by 30 degrees clockwise, is upright again in the crop.
    const tilt = (30 * Math.PI) / 180;
    const grey = picture(200, 200, (x, y) => {
      const across = (x - 99.5) * Math.cos(tilt) + (y - 99.5) * Math.sin(tilt);
      return Math.abs(across) < 8 ? 255 : 0;
    });
    const box = { x: 50, y: 50, width: 100, height: 100 };
    const column = (crop: Uint8Array, x: number) =>
      Array.from({ length: 44 }, (_, y) => crop[y * 44 + x] as number);
    const upright = await cropFaces(grey, [box], 44, { rotation: 30 });
    expect(Math.min(...column(upright, 22))).toBeGreaterThan(200);
    expect(Math.max(...column(upright, 4))).toBe(0);
    const plain = await cropFaces(grey, [box], 44);
    expect(Math.min(...column(plain, 22))).toBe(0);
  });

  test("cuts several faces into one row of bytes, in their order", async () => {
    const grey = picture(100, 50, (x) => (x < 50 ? 10 : 240));
    const left = { x: 5, y: 5, width: 40, height: 40 };
    const right = { x: 55, y: 5, width: 40, height: 40 };
    const crops = await cropFaces(grey, [right, left], 20);
    expect(new Set(crops.subarray(0, 400))).toEqual(new Set([240]));
    expect(new Set(crops.subarray(400))).toEqual(new Set([10]));
  });

  test("gives nothing for no faces", async () => {
    expect(
      await cropFaces(
        picture(50, 50, () => 0),
        [],
        44,
      ),
    ).toHaveLength(0);
  });
});
