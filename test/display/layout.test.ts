import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Box, intersectionOverUnion } from "../../src/base/box.js";
import {
  type FaceToPlace,
  type LayoutMemory,
  layOut,
  type PanelSizes,
} from "../../src/display/draw/layout.js";

const area: Box = { x: 0, y: 0, width: 1280, height: 676 };
const sizes: PanelSizes = { full: { width: 200, height: 200 }, compact: { width: 150, height: 90 }, gap: 8 };
const tag = { width: 180, height: 36 };
const face = (trackId: string, x: number, y: number, size: number): FaceToPlace => ({
  trackId,
  box: { x, y, width: size, height: size },
  tag,
});
const place = (faces: FaceToPlace[], memory?: LayoutMemory) => layOut(faces, area, sizes, area, memory);
const apart = (a: Box | undefined, b: Box | undefined) =>
  a !== undefined && b !== undefined && intersectionOverUnion(a, b) === 0;

describe("layOut", () => {
  it("puts the tag above the face and the full panel beside it", () => {
    const placed = place([face("a", 400, 200, 150)]).get("a");
    expect(placed?.tag).toEqual({ x: 400, y: 164, ...tag });
    expect(placed?.form).toBe("full");
    expect(placed?.panel.x).toBe(558);
  });

  it("puts the tag below a face at the upper edge, and the panel left of one at the right edge", () => {
    const placed = place([face("a", 1100, 0, 150)]).get("a");
    expect(placed?.tag.y).toBe(150);
    expect((placed?.panel.x ?? 0) + (placed?.panel.width ?? 0)).toBeLessThanOrEqual(1100);
  });

  it("hides no neighbour while there is room", () => {
    const faces = [face("a", 200, 250, 120), face("b", 360, 250, 120), face("c", 520, 250, 120)];
    const placed = place(faces);
    for (const { box } of faces) {
      for (const { panel, tag: label } of placed.values()) {
        expect(apart(panel, box)).toBe(true);
        expect(apart(label, box)).toBe(true);
      }
    }
  });

  it("falls back to compact panels in a crowd", () => {
    const crowd = Array.from({ length: 12 }, (_, index) =>
      face(`t${index}`, 100 + (index % 6) * 190, 130 + Math.floor(index / 6) * 260, 100),
    );
    const forms = [...place(crowd).values()].map(({ form }) => form);
    expect(forms).toContain("compact");
  });

  it("keeps a panel where it is while a face trembles", () => {
    const memory: LayoutMemory = new Map();
    const sides = new Set<string>();
    for (let step = 0; step < 60; step++) {
      // Around the point where left and right are equally good.
      const x = 565 + Math.round(Math.sin(step) * 4);
      const panel = place([face("a", x, 200, 150)], memory).get("a")?.panel;
      sides.add((panel?.x ?? 0) > x ? "right" : "left");
    }
    expect(sides.size).toBe(1);
  });

  it("forgets tracks that are gone", () => {
    const memory: LayoutMemory = new Map();
    place([face("a", 100, 100, 100), face("b", 600, 100, 100)], memory);
    place([face("b", 600, 100, 100)], memory);
    expect([...memory.keys()]).toEqual(["b"]);
  });

  it("leaves nothing outside the area", () => {
    const faces = fc.array(
      fc.record({
        x: fc.integer({ min: -100, max: 1300 }),
        y: fc.integer({ min: -100, max: 700 }),
        size: fc.integer({ min: 1, max: 700 }),
      }),
      { maxLength: 15 },
    );
    fc.assert(
      fc.property(faces, (list) => {
        const placed = place(list.map(({ x, y, size }, index) => face(String(index), x, y, size)));
        expect(placed.size).toBe(list.length);
        for (const { tag: label, panel } of placed.values()) {
          for (const box of [label, panel]) {
            expect(box.x).toBeGreaterThanOrEqual(0);
            expect(box.y).toBeGreaterThanOrEqual(0);
            expect(box.x + box.width).toBeLessThanOrEqual(area.width);
            expect(box.y + box.height).toBeLessThanOrEqual(area.height);
          }
        }
      }),
    );
  });
});
