import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Box } from "../../src/base/box.js";
import type { Thumbnail } from "../../src/vision/motion.js";
import type { ScanUnit } from "../../src/vision/scan-unit.js";
import { createSchedule } from "../../src/vision/schedule.js";

const WIDTH = 640;
const HEIGHT = 480;
const INTERVAL = 1000 / 30;
/** Frames of the 500 ms that a face may stay unseen: their product with the interval is not quite 500. */
const WITHIN = 15;
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
        expect((seenAt as number) - start).toBeLessThanOrEqual(WITHIN);
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
        expect((seenAt as number) - start).toBeLessThanOrEqual(WITHIN);
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
    // A device that takes a quarter of a microsecond a window may try 200 windows a millisecond.
    const scans = schedule({ budget: 0.05 });
    for (let settle = 0; settle < 100; settle++) scans.spent(1000, 0.25);
    scans.plan(busy(0), NOBODY, 0);
    let total = 0;
    let largest = 0;
    for (let frame = 1; frame <= 600; frame++) {
      const units = scans.plan(busy(frame), NOBODY, frame * INTERVAL);
      total += units.reduce((sum, unit) => sum + unit.windows, 0);
      largest = Math.max(largest, ...units.map((unit) => unit.windows));
    }
    expect(total).toBeLessThanOrEqual(600 * INTERVAL * 200 + largest);
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
    // The first two seconds look everywhere, whatever is there.
    for (let frame = 0; frame <= 60; frame++) scans.plan(nodding(frame), known, frame * INTERVAL);
    for (let frame = 61; frame <= 120; frame++)
      expect(scans.plan(nodding(frame), known, frame * INTERVAL)).toEqual([]);
    const units: ScanUnit[] = [];
    for (let frame = 121; frame <= 136; frame++)
      units.push(...scans.plan(nodding(120), NOBODY, frame * INTERVAL));
    expect(units.some((unit) => sees(unit, face))).toBe(true);
  });

  describe("on a device that is fifty times as slow, whatever the budget", () => {
    /** Milliseconds a window: a desktop takes a fiftieth. */
    const SLOW = 0.0125;
    const anyRate = fc.integer({ min: 1, max: 60 });

    /** When a look comes that sees the face, in milliseconds after `start`; null when none does by `until`. */
    function seenAfter(
      scans: ReturnType<typeof schedule>,
      rate: number,
      [start, until]: readonly [number, number],
      sight: (unit: ScanUnit) => boolean,
      scene: (frame: number) => Thumbnail,
    ): number | null {
      for (let frame = 0; frame <= (until * rate) / 1000; frame++) {
        const at = (frame * 1000) / rate;
        const units = scans.plan(scene(frame), NOBODY, at);
        for (const { windows } of units) scans.spent(windows, windows * SLOW);
        if (at >= start && units.some(sight)) return at - start;
      }
      return null;
    }

    it("sees every place at every size within four seconds where something moves, from 1 to 60 frames a second", () => {
      fc.assert(
        fc.property(anyFace, anyRate, fc.integer({ min: 1000, max: 20_000 }), (face, rate, start) => {
          const scans = schedule({ budget: 0.01 });
          const after = seenAfter(scans, rate, [start, start + 6000], (unit) => sees(unit, face), busy);
          expect(after).not.toBeNull();
          expect(after).toBeLessThanOrEqual(4000);
        }),
        { numRuns: 60 },
      );
    });

    it("looks for large faces at every tilt, where something moves, within twenty-five seconds", () => {
      const large = { x: 200, y: 150, width: 120, height: 120 };
      for (const rate of [1, 5, 30]) {
        for (const angle of [-50, -25, 25, 50]) {
          const scans = schedule({ budget: 0.01 });
          const sight = (unit: ScanUnit) =>
            unit.angle === angle && unit.minSize <= large.width && large.width <= unit.maxSize;
          const after = seenAfter(scans, rate, [10_000, 40_000], sight, busy);
          expect(after).not.toBeNull();
          expect(after).toBeLessThanOrEqual(25_000);
        }
      }
    });

    it("sweeps a scene in which nothing moves within a minute, by two cascades within two", () => {
      fc.assert(
        fc.property(anyFace, fc.constantFrom(1, 5, 12, 30), (face, rate) => {
          for (const [by, within] of [
            [null, 60_000],
            ["main", 120_000],
            ["second", 120_000],
          ] as const) {
            const scans = schedule({ budget: 0.01 });
            const sight = (unit: ScanUnit) => sees(unit, face) && (by === null || unit.by === by);
            const after = seenAfter(scans, rate, [30_000, 180_000], sight, () => EMPTY);
            expect(after).not.toBeNull();
            expect(after).toBeLessThanOrEqual(within);
          }
        }),
        { numRuns: 10 },
      );
    });
  });

  it("lets several cascades look at all of the frame within two seconds of the start", () => {
    const scans = schedule();
    const face = { x: 300, y: 200, width: 100, height: 100 };
    const eyes = new Set<string>();
    for (let frame = 0; frame <= 60; frame++)
      for (const unit of scans.plan(EMPTY, NOBODY, frame * INTERVAL)) if (sees(unit, face)) eyes.add(unit.by);
    expect([...eyes].sort()).toEqual(["left", "main", "right", "second"]);
  });
});
