import { describe, expect, it } from "vitest";
import { cv } from "../../src/base/opencv.js";
import { createFrameMaker } from "../../src/camera/frame-maker.js";
import { createMasks } from "../../src/camera/masks.js";

const NOW = { takenAt: 0, steadyAt: 0 };

const LEFT_HALF: [number, number][] = [
  [0, 0],
  [0.5, 0],
  [0.5, 1],
  [0, 1],
];
const TOP_HALF: [number, number][] = [
  [0, 0],
  [1, 0],
  [1, 0.5],
  [0, 0.5],
];

describe("privacy masks", () => {
  it("are black in the grey and in the colour picture, and leave the rest as it was", async () => {
    const frames = createFrameMaker(createMasks([LEFT_HALF]));
    const frame = await frames.fromColour(new cv.Mat(48, 64, cv.CV_8UC3, [10, 200, 100]), NOW);
    const picture = await frame.picture();
    expect(frame.grey.at(0, 0)).toBe(0);
    expect(frame.grey.at(47, 32)).toBe(0);
    expect(frame.grey.at(20, 40)).toBe(148);
    expect(picture.atRaw(24, 10)).toEqual([0, 0, 0]);
    expect(picture.atRaw(24, 40)).toEqual([10, 200, 100]);
    frame.release();
  });

  it("leave no colour in a YUV picture either", async () => {
    const frames = createFrameMaker(createMasks([LEFT_HALF]));
    // Strong chroma everywhere.
    const frame = frames.fromI420(Buffer.alloc((64 * 48 * 3) / 2, 220), 64, 48, NOW);
    const picture = await frame.picture();
    expect(frame.grey.at(10, 10)).toBe(0);
    expect(frame.grey.at(10, 50)).toBe(220);
    expect(picture.atRaw(10, 10)).toEqual([0, 0, 0]);
    expect(picture.atRaw(10, 50)).not.toEqual([0, 0, 0]);
    frame.release();
  });

  it("stay closed where they overlap", async () => {
    const frames = createFrameMaker(createMasks([LEFT_HALF, TOP_HALF]));
    const frame = await frames.fromColour(new cv.Mat(48, 64, cv.CV_8UC3, [255, 255, 255]), NOW);
    expect(frame.grey.at(5, 5)).toBe(0);
    expect(frame.grey.at(5, 60)).toBe(0);
    expect(frame.grey.at(40, 60)).toBe(255);
    frame.release();
  });

  it("have no hole where a polygon crosses itself", async () => {
    const star: [number, number][] = [0, 2, 4, 1, 3].map((point) => {
      const angle = (2 * Math.PI * point) / 5 - Math.PI / 2;
      return [0.5 + 0.4 * Math.cos(angle), 0.5 + 0.4 * Math.sin(angle)];
    });
    const frames = createFrameMaker(createMasks([star]));
    const frame = await frames.fromColour(new cv.Mat(100, 100, cv.CV_8UC3, [255, 255, 255]), NOW);
    expect(frame.grey.at(50, 50)).toBe(0);
    expect(frame.grey.at(15, 50)).toBe(0);
    expect(frame.grey.at(2, 2)).toBe(255);
    frame.release();
  });

  it("follow the frame's size", async () => {
    const frames = createFrameMaker(createMasks([LEFT_HALF]));
    for (const [rows, cols] of [
      [48, 64],
      [480, 640],
      [1, 1],
    ] as const) {
      const frame = await frames.fromColour(new cv.Mat(rows, cols, cv.CV_8UC3, [255, 255, 255]), NOW);
      expect(frame.grey.at(rows - 1, 0)).toBe(0);
      if (cols > 1) expect(frame.grey.at(rows - 1, cols - 1)).toBe(255);
      frame.release();
    }
  });
});

describe("a frame", () => {
  it("makes its colour picture once, and owns it until it is released", async () => {
    const frames = createFrameMaker(createMasks([]));
    const frame = frames.fromI420(Buffer.alloc((64 * 48 * 3) / 2, 128), 64, 48, NOW);
    expect(await frame.picture()).toBe(await frame.picture());
    frame.release();
    expect(frame.grey.rows).toBe(0);
    expect(() => frame.release()).toThrow("twice");
    await expect(frame.picture()).rejects.toThrow("released");
  });

  it("frees a picture that is still being made when it is released", async () => {
    const frames = createFrameMaker(createMasks([]));
    const frame = frames.fromI420(Buffer.alloc((640 * 480 * 3) / 2, 128), 640, 480, NOW);
    const picture = frame.picture();
    frame.release();
    await expect(picture).rejects.toThrow("released");
  });

  it("has the buffer that it was made from until it is released, and copies no more than the grey part", async () => {
    const frames = createFrameMaker(createMasks([]));
    const bytes = Buffer.alloc((64 * 48 * 3) / 2, 128);
    let freed = 0;
    const frame = frames.fromI420(bytes, 64, 48, NOW, () => {
      freed += 1;
    });
    bytes.fill(9, 0, 64 * 48);
    expect(frame.grey.at(3, 3)).toBe(128);
    await frame.picture();
    expect(freed).toBe(0);
    frame.release();
    expect(() => frame.release()).toThrow("twice");
    expect(freed).toBe(1);
  });

  it("gives its bytes, whatever it was made from", async () => {
    const frames = createFrameMaker(createMasks([]));
    const planar = frames.fromI420(Buffer.alloc((64 * 48 * 3) / 2, 7), 64, 48, NOW);
    const coloured = await frames.fromColour(new cv.Mat(48, 64, cv.CV_8UC3, [7, 7, 7]), NOW);
    for (const frame of [planar, coloured]) {
      expect(frame.grey.getData()).toEqual(Buffer.alloc(64 * 48, 7));
      expect((await frame.picture()).getData()).toHaveLength(64 * 48 * 3);
      frame.release();
    }
  });

  it("can be grey from the start", async () => {
    const frame = await createFrameMaker(createMasks([])).fromColour(new cv.Mat(4, 4, cv.CV_8UC1, 9), NOW);
    expect((await frame.picture()).atRaw(1, 1)).toEqual([9, 9, 9]);
    frame.release();
  });
});
