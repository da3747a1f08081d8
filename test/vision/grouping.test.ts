import { describe, expect, it } from "vitest";
import { grouped } from "../../src/vision/grouping.js";

const square = (x: number, y: number, side: number) => ({ x, y, width: side, height: side });

describe("the grouping of windows", () => {
  it("keeps a single window: a weak face makes no second", () => {
    expect(grouped([square(10, 20, 40)])).toEqual([{ box: square(10, 20, 40), hits: 1 }]);
    expect(grouped([])).toEqual([]);
  });

  it("joins windows that lie over each other to their mean, and counts them", () => {
    const groups = grouped([square(10, 20, 40), square(14, 20, 40), square(12, 20, 40)]);
    expect(groups).toHaveLength(1);
    expect(groups[0]?.hits).toBe(3);
    expect(groups[0]?.box.x).toBeCloseTo(12);
    expect(groups[0]?.box).toMatchObject({ y: 20, width: 40, height: 40 });
  });

  it("keeps neighbours apart, and a face in a face", () => {
    expect(grouped([square(10, 20, 40), square(60, 20, 40), square(20, 30, 20)])).toHaveLength(3);
  });
});
