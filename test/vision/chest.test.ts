import { describe, expect, it } from "vitest";
import { isOnChest } from "../../src/vision/chest.js";

const at = (x: number, y: number, side: number) => ({
  x: x - side / 2,
  y: y - side / 2,
  width: side,
  height: side,
});

describe("a guess on somebody's chest", () => {
  const face = at(320, 120, 80);

  it("is one below a face, as far as a chest reaches", () => {
    expect(isOnChest(at(330, 230, 60), face)).toBe(true);
    expect(isOnChest(at(270, 300, 90), face)).toBe(true);
  });

  it("is none beside, above or far below it, nor one much larger: who stands in front", () => {
    expect(isOnChest(at(420, 130, 80), face)).toBe(false);
    expect(isOnChest(at(320, 30, 60), face)).toBe(false);
    expect(isOnChest(at(320, 330, 60), face)).toBe(false);
    expect(isOnChest(at(320, 230, 120), face)).toBe(false);
  });
});
