import { expect, it } from "vitest";
import { createPipelineMeter } from "../../src/daemon/meter.js";

it.each([10, 100, 2_000, 3_100, 10_000])("counts a frame every %d ms", (interval) => {
  const meter = createPipelineMeter();
  for (let frame = 0; frame <= 20; frame++) meter.done(frame * interval, 5);
  expect(Math.abs(meter.fps(20 * interval) - 1000 / interval)).toBeLessThanOrEqual(0.06);
  expect(meter.latencyMs()).toBe(5);
});

it("says 0 before there are two frames, and when no more come", () => {
  const meter = createPipelineMeter();
  expect(meter.fps(0)).toBe(0);
  meter.done(0, 5);
  expect(meter.fps(10)).toBe(0);
  for (let at = 33; at < 1000; at += 33) meter.done(at, 5);
  expect(meter.fps(1000)).toBeGreaterThan(25);
  expect(meter.fps(4_500)).toBe(0);
});
