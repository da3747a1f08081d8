import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Sighting, suppressOverlaps } from "../../src/vision/sighting.js";
import { createTracker, type Tracker } from "../../src/vision/tracker.js";

const FRAME = 1000 / 30;

function tracker(lostAfter = 1000): Tracker {
  let count = 0;
  return createTracker({ lostAfter, newId: () => `track-${++count}` });
}

function face(x: number, y = 100, size = 60): Sighting {
  return {
    box: { x: x - size / 2, y: y - size / 2, width: size, height: size },
    score: 10,
    by: "cascade",
    trackId: null,
  };
}

describe("the tracker", () => {
  it("keeps the id of a face that moves", () => {
    const faces = tracker();
    for (let frame = 0; frame < 60; frame++) faces.update([face(100 + frame * 4)], frame * FRAME);
    expect(faces.tracks.map((track) => track.id)).toEqual(["track-1"]);
    expect(faces.tracks[0]?.confirmed).toBe(true);
    expect(faces.tracks[0]?.since).toBe(0);
    const centre = (faces.tracks[0]?.box.x ?? 0) + 30;
    expect(Math.abs(centre - (100 + 59 * 4))).toBeLessThan(6);
  });

  it("does not swap two people who pass each other, the farther one hidden meanwhile", () => {
    const faces = tracker();
    const idAt = (x: number) =>
      [...faces.tracks].sort((a, b) => Math.abs(a.box.x + 30 - x) - Math.abs(b.box.x + 30 - x))[0]?.id;
    let left: string | undefined;
    for (let frame = 0; frame <= 90; frame++) {
      const toRight = 80 + frame * 5;
      const toLeft = 530 - frame * 5;
      const near = face(toRight, 100, 64);
      const far = face(toLeft, 100, 56);
      const hidden = Math.abs(toRight - toLeft) < 50;
      faces.update(hidden ? [near] : [near, far], frame * FRAME);
      if (frame === 20) left = idAt(toRight);
    }
    expect(faces.tracks).toHaveLength(2);
    expect(idAt(80 + 90 * 5)).toBe(left);
  });

  it("keeps a face that the cascade misses for a few frames, and ends it after lostAfter", () => {
    const faces = tracker(1000);
    for (let frame = 0; frame < 10; frame++) faces.update([face(200)], frame * FRAME);
    for (let frame = 10; frame < 25; frame++) faces.update([], frame * FRAME);
    expect(faces.tracks[0]?.seen).toBe(false);
    faces.update([face(204)], 25 * FRAME);
    expect(faces.tracks.map((track) => track.id)).toEqual(["track-1"]);
    expect(faces.tracks[0]?.seen).toBe(true);
    faces.update([], 25 * FRAME + 1001);
    expect(faces.tracks).toEqual([]);
  });

  it("drops what was seen once or twice: a false alarm", () => {
    const faces = tracker();
    faces.update([face(100)], 0);
    faces.update([], 200);
    faces.update([], 300);
    expect(faces.tracks).toHaveLength(1);
    faces.update([], 401);
    expect(faces.tracks).toEqual([]);
  });

  it("gives what was seen once three more frames, however seldom they come, and no face more than its time", () => {
    for (const rate of [1, 2, 5, 12.5, 30, 60]) {
      const faces = tracker();
      faces.update([face(100)], 0);
      for (const frame of [1, 2]) {
        expect(faces.tracks).toHaveLength(1);
        faces.update([], (frame * 1000) / rate);
      }
      // Whoever looks for it in the third frame still knows where.
      expect(faces.tracks).toHaveLength(1);
      faces.update([face(100)], 3000 / rate);
      faces.update([face(100)], 4000 / rate);
      expect(faces.tracks.map(({ id, confirmed }) => [id, confirmed])).toEqual([["track-1", true]]);
    }
  });

  it("takes two looks of one frame for two hits, and never for a face: that takes a second frame", () => {
    const faces = tracker();
    faces.update([{ ...face(100), looks: 8 }], 0);
    expect(faces.tracks[0]).toMatchObject({ hits: 2, confirmed: false });
    faces.update([face(100)], 200);
    expect(faces.tracks[0]).toMatchObject({ hits: 3, confirmed: true });
  });

  it("lets a template keep a track for some seconds, not for ever", () => {
    const faces = tracker();
    for (let frame = 0; frame < 5; frame++) faces.update([face(100)], frame * 100);
    const again = { ...face(101), score: 0, by: "template", trackId: "track-1" } as const;
    for (let at = 500; at <= 3_000; at += 100) faces.update([again], at);
    expect(faces.tracks.map((track) => track.id)).toEqual(["track-1"]);
    for (let at = 3_100; at <= 5_000; at += 100) faces.update([again], at);
    expect(faces.tracks).toEqual([]);
  });

  it.each([1, 5, 10, 30])(
    "ends a face in a hold-up longer than lostAfter at %i frames a second, and takes who is there then for somebody else",
    (rate) => {
      const lostAfter = 1_000;
      const faces = tracker(lostAfter);
      const frames = 10;
      for (let frame = 0; frame < frames; frame++) faces.update([face(100)], (frame * 1000) / rate);
      const last = ((frames - 1) * 1000) / rate;
      faces.update([face(100)], last + 4_500);
      expect(faces.tracks.map(({ id, since }) => [id, since])).toEqual([["track-2", last + 4_500]]);
      // A second one as the first, and two in a row.
      for (let frame = 1; frame <= 5; frame++)
        faces.update([face(100)], last + 4_500 + (frame * 1000) / rate);
      const again = last + 4_500 + 5000 / rate;
      faces.update([face(100)], again + 4_500);
      expect(faces.tracks.map((track) => track.id)).toEqual(["track-3"]);
      faces.update([face(100)], again + 9_000);
      expect(faces.tracks.map((track) => track.id)).toEqual(["track-4"]);
    },
  );

  it("lives through a hold-up that is shorter than lostAfter", () => {
    const faces = tracker(5_000);
    for (let frame = 0; frame < 10; frame++) faces.update([face(100)], frame * 100);
    faces.update([face(100)], 900 + 4_900);
    expect(faces.tracks.map((track) => track.id)).toEqual(["track-1"]);
  });

  it.each([0.2, 0.5, 0.9])(
    "follows a face of a camera with %f frames a second, whose gaps are longer",
    (rate) => {
      const faces = tracker(1_000);
      const interval = 1000 / rate;
      let at = 0;
      for (let frame = 0; frame < 20; frame++) {
        faces.update([face(100 + frame)], at);
        // No clock of a slow camera is exact.
        at += interval * (frame % 2 === 0 ? 0.8 : 1.2);
      }
      expect(faces.tracks.map(({ id, confirmed }) => [id, confirmed])).toEqual([["track-1", true]]);
      // Whom the next frame does not show is gone.
      faces.update([], at);
      expect(faces.tracks).toEqual([]);
      // And its own hold-ups end faces as well.
      for (let frame = 0; frame < 5; frame++) faces.update([face(100)], at + (frame + 1) * interval);
      faces.update([face(100)], at + 5 * interval + 4 * interval);
      expect(faces.tracks.map((track) => track.id)).toEqual(["track-3"]);
    },
  );

  it("follows faces again when a quick camera becomes a slow one", () => {
    const faces = tracker(1_000);
    for (let frame = 0; frame < 30; frame++) faces.update([face(100)], frame * 100);
    for (let frame = 1; frame <= 10; frame++) faces.update([face(100)], 2_900 + frame * 4_000);
    const id = faces.tracks[0]?.id;
    for (let frame = 11; frame <= 20; frame++) faces.update([face(100)], 2_900 + frame * 4_000);
    expect(faces.tracks.map((track) => track.id)).toEqual([id]);
  });

  it("remembers how far a head is tilted, and smooths it", () => {
    const faces = tracker();
    for (let frame = 0; frame < 20; frame++) faces.update([{ ...face(100), angle: 30 }], frame * FRAME);
    expect(faces.tracks[0]?.angle).toBeCloseTo(30, 1);
    faces.update([{ ...face(100), angle: 20 }], 20 * FRAME);
    expect(faces.tracks[0]?.angle).toBeLessThan(30);
    expect(faces.tracks[0]?.angle).toBeGreaterThan(20);
    // A sighting that says nothing of it changes nothing.
    const before = faces.tracks[0]?.angle;
    faces.update([face(100)], 21 * FRAME);
    expect(faces.tracks[0]?.angle).toBe(before);
  });

  it("never gives an id twice, also after a clear", () => {
    const box = fc.record({
      x: fc.integer({ min: 0, max: 640 }),
      y: fc.integer({ min: 0, max: 480 }),
      size: fc.integer({ min: 24, max: 200 }),
    });
    const step = fc.record({
      faces: fc.array(box, { maxLength: 6 }),
      pause: fc.integer({ min: 1, max: 400 }),
      clear: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const given: string[] = [];
        const faces = createTracker({
          lostAfter: 500,
          newId: () => {
            given.push(String(given.length));
            return String(given.length - 1);
          },
        });
        const gone = new Set<string>();
        let alive = new Set<string>();
        let at = 1e12;
        for (const { faces: seen, pause, clear } of steps) {
          at += pause;
          if (clear && seen.length > 3) faces.clear();
          const tracks = faces.update(suppressOverlaps(seen.map(({ x, y, size }) => face(x, y, size))), at);
          const now = new Set(tracks.map((track) => track.id));
          expect(now.size).toBe(tracks.length);
          for (const id of alive) if (!now.has(id)) gone.add(id);
          for (const id of now) expect(gone.has(id)).toBe(false);
          for (const track of tracks) {
            expect(track.box.width).toBeGreaterThan(0);
            expect(Number.isFinite(track.box.x + track.box.y)).toBe(true);
          }
          alive = now;
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe("suppressOverlaps", () => {
  it("keeps the stronger of two that overlap, or of which one lies in the other", () => {
    const strong = { ...face(100, 100, 100), score: 20 };
    const shifted = { ...face(120, 110, 100), score: 5 };
    const mouth = { ...face(100, 125, 40), score: 3 };
    const apart = { ...face(300), score: 1 };
    expect(suppressOverlaps([mouth, shifted, apart, strong])).toEqual([strong, apart]);
  });

  it("takes an open mouth for a part of the face, and not a head that half hides another", () => {
    const whole = { ...face(262, 159, 176), score: 30 };
    const mouth = { ...face(256, 237, 97), score: 4 };
    expect(suppressOverlaps([mouth, whole])).toEqual([whole]);
    const behind = { ...face(340, 240, 150), score: 20 };
    expect(suppressOverlaps([behind, whole])).toEqual([whole, behind]);
  });

  it("believes the cascade before a template", () => {
    const template = { ...face(100), score: 0, by: "template", trackId: "a" } as const;
    expect(suppressOverlaps([template, face(104)])).toEqual([face(104)]);
  });
});
