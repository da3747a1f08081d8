import { describe, expect, it } from "vitest";
import { cv } from "../../src/base/opencv.js";
import { cutPatch } from "../../src/vision/patch.js";

describe("a patch", () => {
  for (const angle of [0, 25, -50]) {
    it(`turned by ${angle} degrees leads from the frame to itself and back`, () => {
      const grey = new cv.Mat(240, 320, cv.CV_8UC1, 100);
      const patch = cutPatch(grey, { x: 170, y: 110, width: 120, height: 90, angle }, 60);
      try {
        const disc = patch.toPatch({ x: 181, y: 97, radius: 20 });
        expect(disc.radius).toBeCloseTo(10);
        const side = 2 * disc.radius;
        const box = patch.toFrame({
          x: disc.x - (side - 1) / 2,
          y: disc.y - (side - 1) / 2,
          width: side,
          height: side,
        });
        expect(box.x + box.width / 2).toBeCloseTo(181);
        expect(box.y + box.height / 2).toBeCloseTo(97);
        expect(box.width).toBeCloseTo(40);
      } finally {
        patch.picture.release();
        grey.release();
      }
    });
  }
});
