import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Corner, convexHull, crossesItself } from "../../src/camera/polygon.js";

const SQUARE: Corner[] = [
  [0, 0],
  [1, 0],
  [1, 1],
  [0, 1],
];

const corner = fc.tuple(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 20 }));

describe("a polygon", () => {
  it("crosses itself, or does not", () => {
    expect(crossesItself(SQUARE)).toBe(false);
    expect(crossesItself(SQUARE.slice(0, 3))).toBe(false);
    const [a, b, c, d] = SQUARE as [Corner, Corner, Corner, Corner];
    expect(crossesItself([a, c, b, d])).toBe(true);
    // Concave is not crossed.
    expect(crossesItself([a, b, c, [0.5, 0.2]])).toBe(false);
  });

  it("lies within its hull, which is convex", () => {
    fc.assert(
      fc.property(fc.array(corner, { minLength: 3, maxLength: 12 }), (corners) => {
        const hull = convexHull(corners);
        fc.pre(hull.length >= 3);
        expect(crossesItself(hull)).toBe(false);
        for (const [x, y] of corners) {
          for (const [index, [ax, ay]] of hull.entries()) {
            const [bx, by] = hull[(index + 1) % hull.length] ?? [ax, ay];
            expect((bx - ax) * (y - ay) - (by - ay) * (x - ax)).toBeGreaterThanOrEqual(0);
          }
        }
      }),
    );
  });
});
