import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Box } from "../../src/vision/box.js";
import type { Thumbnail } from "../../src/vision/motion.js";
import { createSchedule, type ScanUnit } from "../../src/vision/schedule.js";

const WIDTH = 640;
const HEIGHT = 480;
const INTERVAL = 1000 / 30;
const MIN_FACE = 48;
const NOBODY: ReadonlyMap<string, Box> = new Map();

function schedule(more: { maxUnseen?: number; budget?: number } = {}) {
  return createSchedule({
    width: WIDTH,
    height: HEIGHT,
    minFace: MIN_FACE,
    scaleFactor: 1.2,
    maxUnseen: 500,
    budget: 1,
    ...more,
  });
}

function picture(level: (x: number, y: number) => number): Thumbnail {
  const [columns, rows] = [80, 60];
  const cells = new Uint8Array(columns * rows);
  for (let y = 0; y < rows; y++) for (let x = 0; x < columns; x++) cells[y * columns + x] = level(x, y);
  return { columns, rows, cells };
}

const EMPTY = picture(() => 100);
/** Every cell changes in every frame. */
const busy = (frame: number) => picture((x, y) => ((x * 31 + y * 17 + frame * 97) % 5) * 40);
/** A grey square of a face's size in an empty room. */
const withFace = (face: Box) =>
  picture((x, y) => {
    const [px, py] = [x * 8 + 4, y * 8 + 4];
    return px > face.x && px < face.x + face.width && py > face.y && py < face.y + face.height ? 160 : 100;
  });

const sees = (unit: ScanUnit, face: Box, angle = 0): boolean =>
  unit.angle === angle &&
  unit.minSize <= face.width &&
  face.width <= unit.maxSize &&
  unit.region.x <= face.x + 1e-6 &&
  unit.region.y <= face.y + 1e-6 &&
  unit.region.x + unit.region.width >= face.x + face.width - 1e-6 &&
  unit.region.y + unit.region.height >= face.y + face.height - 1e-6;

const anyFace = fc
  .record({
    size: fc.double({ min: MIN_FACE, max: HEIGHT, noNaN: true }),
    x: fc.double({ min: 0, max: 1, noNaN: true }),
    y: fc.double({ min: 0, max: 1, noNaN: true }),
  })
  .map(({ size, x, y }) => ({ x: x * (WIDTH - size), y: y * (HEIGHT - size), width: size, height: size }));

describe("the scan schedule", () => {
  it("looks everywhere in the first frame: a photo may be all there is", () => {
    fc.assert(
      fc.property(anyFace, (face) => {
        const units = schedule().plan(EMPTY, NOBODY, 0);
        expect(units.some((unit) => sees(unit, face))).toBe(true);
      }),
    );
  });

  it("sees every place at every size within maxUnseen where something moves", () => {
    fc.assert(
      fc.property(anyFace, fc.integer({ min: 0, max: 40 }), (face, start) => {
        const scans = schedule();
        let seenAt: number | undefined;
        for (let frame = 0; frame <= start + 16; frame++) {
          const units = scans.plan(busy(frame), NOBODY, frame * INTERVAL);
          scans.spent(1000, 0.1);
          if (frame > start && units.some((unit) => sees(unit, face))) seenAt ??= frame;
        }
        expect(seenAt).toBeDefined();
        expect(((seenAt as number) - start) * INTERVAL).toBeLessThanOrEqual(500);
      }),
      { numRuns: 60 },
    );
  });

  it("sees a face that comes into an empty room and stands still, within maxUnseen", () => {
    fc.assert(
      fc.property(anyFace, fc.integer({ min: 5, max: 60 }), (face, start) => {
        const scans = schedule();
        for (let frame = 0; frame < start; frame++) scans.plan(EMPTY, NOBODY, frame * INTERVAL);
        let seenAt: number | undefined;
        for (let frame = start; frame <= start + 16; frame++) {
          const units = scans.plan(withFace(face), NOBODY, frame * INTERVAL);
          if (units.some((unit) => sees(unit, face))) seenAt ??= frame;
        }
        expect(seenAt).toBeDefined();
        expect(((seenAt as number) - start) * INTERVAL).toBeLessThanOrEqual(500);
      }),
      { numRuns: 60 },
    );
  });

  it("does almost nothing while nothing changes, and yet sweeps all of the frame in time", () => {
    const scans = schedule();
    const windows: number[] = [];
    const units: ScanUnit[] = [];
    scans.plan(EMPTY, NOBODY, 0);
    for (let frame = 1; frame <= 300; frame++) {
      const planned = scans.plan(EMPTY, NOBODY, frame * INTERVAL);
      windows.push(planned.reduce((sum, unit) => sum + unit.windows, 0));
      units.push(...planned);
    }
    const busyScans = schedule();
    let whole = 0;
    for (let frame = 0; frame <= 300; frame++)
      for (const unit of busyScans.plan(busy(frame), NOBODY, frame * INTERVAL)) whole += unit.windows;
    expect(windows.reduce((sum, count) => sum + count, 0)).toBeLessThan(whole / 3);
    expect(windows.filter((count) => count === 0).length).toBeGreaterThan(200);
    for (const face of [
      { x: 10, y: 10, width: 50, height: 50 },
      { x: 500, y: 400, width: 60, height: 60 },
      { x: 200, y: 100, width: 250, height: 250 },
    ]) {
      expect(units.some((unit) => sees(unit, face))).toBe(true);
      expect(units.some((unit) => unit.angle !== 0 && unit.maxSize >= face.width)).toBe(true);
    }
  });

  it("bounds the cost of each frame, and of all of them, by the budget", () => {
    // A device that takes a microsecond a window may try 50 windows a millisecond.
    const scans = schedule({ budget: 0.05 });
    for (let settle = 0; settle < 100; settle++) scans.spent(1000, 1);
    scans.plan(busy(0), NOBODY, 0);
    let total = 0;
    let largest = 0;
    for (let frame = 1; frame <= 600; frame++) {
      const units = scans.plan(busy(frame), NOBODY, frame * INTERVAL);
      total += units.reduce((sum, unit) => sum + unit.windows, 0);
      largest = Math.max(largest, ...units.map((unit) => unit.windows));
    }
    expect(total).toBeLessThanOrEqual(600 * INTERVAL * 50 + largest);
    expect(total).toBeGreaterThan(0);
  });

  it("does not look for a face that is followed, and looks again where it was lost", () => {
    const face = { x: 240, y: 160, width: 100, height: 100 };
    const known = new Map([
      ["a", { x: face.x / WIDTH, y: face.y / HEIGHT, width: 100 / WIDTH, height: 100 / HEIGHT }],
    ]);
    const nodding = (frame: number) =>
      picture((x, y) => {
        const inside = x >= 31 && x < 42 && y >= 21 && y < 32;
        return inside ? ((x + y + frame) % 3) * 60 : 100;
      });
    const scans = schedule();
    scans.plan(nodding(0), known, 0);
    for (let frame = 1; frame <= 60; frame++)
      expect(scans.plan(nodding(frame), known, frame * INTERVAL).filter(({ angle }) => angle === 0)).toEqual(
        [],
      );
    const units: ScanUnit[] = [];
    for (let frame = 61; frame <= 76; frame++)
      units.push(...scans.plan(nodding(60), NOBODY, frame * INTERVAL));
    expect(units.some((unit) => sees(unit, face))).toBe(true);
  });
});
