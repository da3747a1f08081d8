import { describe, expect, it } from "vitest";
import { createMotionMap, type Thumbnail } from "../../src/vision/motion.js";

const COLUMNS = 40;
const ROWS = 30;
const ALL = { x: 0, y: 0, width: 1, height: 1 };
const NOBODY = new Map();
/** A third of the frame's height: ten cells. */
const SIZE = 1 / 3;

function picture(level: (x: number, y: number) => number): Thumbnail {
  const cells = new Uint8Array(COLUMNS * ROWS);
  for (let y = 0; y < ROWS; y++) for (let x = 0; x < COLUMNS; x++) cells[y * COLUMNS + x] = level(x, y);
  return { columns: COLUMNS, rows: ROWS, cells };
}

const grey = picture(() => 100);
const square = (left: number, top: number, side: number, level = 160) =>
  picture((x, y) => (x >= left && x < left + side && y >= top && y < top + side ? level : 100));

describe("the motion map", () => {
  it("counts all as changed at first, and nothing after while nothing changes", () => {
    const motion = createMotionMap();
    motion.update(grey, NOBODY, 0);
    expect(motion.changedSince(-1, ALL, SIZE)).toEqual(ALL);
    motion.update(grey, NOBODY, 100);
    expect(motion.changedSince(0, ALL, SIZE)).toBeNull();
  });

  it("tells where a clump changed, and forgets it after a look", () => {
    const motion = createMotionMap();
    motion.update(grey, NOBODY, 0);
    motion.update(square(20, 10, 10), NOBODY, 100);
    const where = motion.changedSince(0, ALL, SIZE);
    expect(where?.x).toBeLessThanOrEqual(20 / COLUMNS);
    expect((where?.x ?? 0) + (where?.width ?? 0)).toBeGreaterThanOrEqual(30 / COLUMNS);
    expect(where?.x).toBeGreaterThan(14 / COLUMNS);
    expect(motion.changedSince(100, ALL, SIZE)).toBeNull();
    expect(motion.changedSince(0, { x: 0, y: 0, width: 0.25, height: 1 }, SIZE)).toBeNull();
  });

  it("takes neither noise, nor an edge's sway, nor a change of light for a face", () => {
    const motion = createMotionMap();
    motion.update(grey, NOBODY, 0);
    motion.update(
      picture((x, y) => 100 + ((x * 7 + y * 13) % 9) - 4),
      NOBODY,
      10,
    );
    motion.update(
      picture((x) => (x === 20 ? 200 : 100)),
      NOBODY,
      20,
    );
    motion.update(
      picture(() => 140),
      NOBODY,
      30,
    );
    expect(motion.changedSince(0, ALL, SIZE)).toBeNull();
  });

  it("adds slow change up", () => {
    const motion = createMotionMap();
    for (let step = 0; step <= 10; step++) motion.update(square(10, 10, 12, 100 + step), NOBODY, step);
    expect(motion.changedSince(0, ALL, SIZE)).not.toBeNull();
  });

  it("leaves the place of a lost face changed", () => {
    const motion = createMotionMap();
    const known = new Map([["a", { x: 0.25, y: 0.25, width: 0.3, height: 0.4 }]]);
    motion.update(grey, known, 0);
    motion.update(square(10, 8, 12), known, 10);
    expect(motion.changedSince(0, ALL, SIZE)).toBeNull();
    motion.update(square(10, 8, 12), NOBODY, 20);
    expect(motion.changedSince(10, ALL, SIZE)).not.toBeNull();
  });
});
