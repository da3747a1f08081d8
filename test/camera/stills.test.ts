import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cv } from "../../src/base/opencv.js";
import { CameraError } from "../../src/camera/camera.js";
import { createCamera } from "../../src/camera/create.js";
import { createMasks } from "../../src/camera/masks.js";
import { readPhoto } from "../../src/camera/stills/photo.js";
import { findPhotos } from "../../src/camera/stills/photo-files.js";
import { readPhotoHeader } from "../../src/camera/stills/photo-size.js";
import { viewAt } from "../../src/camera/stills/view.js";
import { listeningLog, play, sourceOf } from "./helpers.js";

let folder = "";

/** Writes a plain photo of that size. */
async function photo(name: string, width: number, height: number, level = 200): Promise<string> {
  const path = join(folder, name);
  const picture = new cv.Mat(height, width, cv.CV_8UC3, [level, level, level]);
  await cv.imwriteAsync(path, picture);
  picture.release();
  return path;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "emotiond-test-"));
  for (const name of ["good", "mixed", "bad", "one", "empty"]) await mkdir(join(folder, name));
  await photo("good/photo10.jpg", 300, 200, 250);
  await photo("good/photo2.png", 200, 300, 150);
  await writeFile(join(folder, "good/notes.txt"), "not a photo");
  const whole = await readFile(await photo("mixed/a.jpg", 640, 480));
  await writeFile(join(folder, "mixed/b.jpg"), whole.subarray(0, whole.length >> 1));
  await writeFile(join(folder, "mixed/c.jpg"), "text");
  await photo("mixed/d.png", 64, 64);
  await writeFile(join(folder, "bad/a.jpg"), "text");
  await writeFile(join(folder, "bad/b.png"), "");
  await photo("one/pixel.png", 1, 1);
});

afterAll(() => rm(folder, { recursive: true }));

const stills = (uri: string, more: Parameters<typeof sourceOf>[0] = {}, log = listeningLog()) =>
  createCamera(
    sourceOf({ type: "stills", uri: join(folder, uri), realtime: false, framerate: 5, ...more }),
    createMasks([]),
    { log },
  );

describe("photos as a camera", () => {
  it("shows each for four seconds, in natural order, in the size asked for", async () => {
    const levels: number[] = [];
    const seen = await play(stills("good"), undefined, (frame) => {
      levels.push(Math.round(frame.grey.at(240, 320) / 50) * 50);
    });
    expect(levels).toEqual([...Array(20).fill(150), ...Array(20).fill(250)]);
    expect(new Set(seen.map(({ width, height }) => `${width}×${height}`))).toEqual(new Set(["640×480"]));
    expect((seen.at(-1)?.takenAt ?? 0) - (seen[0]?.takenAt ?? 0)).toBeCloseTo(39 * 200, 3);
  });

  it("moves, and shows the same each time", async () => {
    const edges = async () => {
      const found: number[] = [];
      await play(stills("good"), 15, (frame) => {
        found.push(frame.grey.getData().findIndex((level, at) => at >= 240 * 640 && level > 75) % 640);
      });
      return found;
    };
    const first = await edges();
    expect(new Set(first).size).toBeGreaterThan(5);
    expect(await edges()).toEqual(first);
  });

  it("goes on when it loops, and is paced in real time", async () => {
    const begun = performance.now();
    const seen = await play(stills("one", { loop: true, realtime: true, framerate: 50 }), 30);
    expect(seen).toHaveLength(30);
    expect(performance.now() - begun).toBeGreaterThan(500);
    expect(await play(stills("one", { loop: true }), 45)).toHaveLength(45);
  });

  it("skips what cannot be decoded, with one warning each", async () => {
    const log = listeningLog();
    const seen = await play(stills("mixed", { loop: true }, log), 90);
    expect(seen).toHaveLength(90);
    expect(log.warnings).toHaveLength(2);
    expect(log.warnings[0]).toMatch(/b\.jpg is truncated/);
    expect(log.warnings[1]).toMatch(/c\.jpg is no photo that can be decoded/);
  });

  it("fails when there is nothing to show", async () => {
    const log = listeningLog();
    await expect(play(stills("bad", {}, log))).rejects.toThrow("none of its 2 photos can be decoded");
    expect(log.warnings).toHaveLength(2);
    await expect(play(stills("empty"))).rejects.toThrow("no photo there");
    await expect(play(stills("missing"))).rejects.toThrow("there is no such folder");
    await expect(play(stills("missing"))).rejects.toThrow(CameraError);
  });

  it("shows a photo of one pixel, and one of 12,000 × 9,000", async () => {
    const [pixel] = await play(stills("one"), 1, (frame) =>
      expect(frame.grey.at(240, 320)).toBeGreaterThan(100),
    );
    expect(pixel).toMatchObject({ width: 640, height: 480 });
    await mkdir(join(folder, "huge"), { recursive: true });
    const small = new cv.Mat(9, 12, cv.CV_8UC1, 180);
    const grey = small.resize(9000, 12000);
    await cv.imwriteAsync(join(folder, "huge/huge.jpg"), grey);
    grey.release();
    const before = process.memoryUsage.rss();
    await play(stills("huge"), 2, (frame) => expect(frame.grey.at(240, 320)).toBe(180));
    // Decoded whole it would be 324 MB.
    expect(process.memoryUsage.rss() - before).toBeLessThan(100 * 1024 * 1024);
  }, 60_000);
});

describe("readPhoto", () => {
  it("gives a photo in its own size, or scaled down by a power of two", async () => {
    const path = await photo("large.jpg", 1600, 1000);
    for (const [atLeast, width] of [
      [undefined, 1600],
      [900, 1600],
      [640, 800],
      [100, 200],
    ] as const) {
      const picture = await readPhoto(path, atLeast);
      expect(picture.cols).toBe(width);
      picture.release();
    }
  });

  it("names the fault", async () => {
    await expect(readPhoto(join(folder, "nowhere.jpg"))).rejects.toThrow("there is no such file");
    await expect(readPhoto(join(folder, "bad/b.png"))).rejects.toThrow("is empty");
    await expect(readPhoto(folder)).rejects.toThrow("is a folder");
  });

  it("notices a truncated PNG", async () => {
    const whole = await readFile(join(folder, "good/photo2.png"));
    const path = join(folder, "cut.png");
    await writeFile(path, whole.subarray(0, whole.length - 20));
    await expect(readPhoto(path)).rejects.toThrow("truncated");
  });

  it("reads no header out of garbage", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        readPhotoHeader(Buffer.from(bytes));
        const jpeg = readPhotoHeader(Buffer.concat([Buffer.from([0xff, 0xd8]), Buffer.from(bytes)]));
        if (jpeg !== null) expect(jpeg.format).toBe("jpeg");
      }),
      { numRuns: 500 },
    );
  });
});

describe("findPhotos", () => {
  it("takes a folder, a glob, or one photo", async () => {
    const names = async (uri: string) =>
      (await findPhotos(join(folder, uri))).map((path) => path.slice(folder.length + 1));
    expect(await names("good")).toEqual(["good/photo2.png", "good/photo10.jpg"]);
    expect(await names("g*d/*.jpg")).toEqual(["good/photo10.jpg"]);
    expect(await names("*/photo?.png")).toEqual(["good/photo2.png"]);
    expect(await names("good/photo2.png")).toEqual(["good/photo2.png"]);
    await expect(names("good/*.gif")).rejects.toThrow("no photo there");
  });
});

describe("the view of a photo", () => {
  const size = fc.record({
    width: fc.integer({ min: 1, max: 8000 }),
    height: fc.integer({ min: 1, max: 8000 }),
  });

  it("is smooth: a box moves by little from frame to frame", () => {
    fc.assert(
      fc.property(size, fc.double({ min: 0, max: 0.99, noNaN: true }), (photo, phase) => {
        const frame = { width: 640, height: 480 };
        const step = 1 / (4 * 30);
        const [now, next] = [viewAt(phase, photo, frame), viewAt(phase + step, photo, frame)];
        for (const [x, y] of [
          [0, 0],
          [photo.width, photo.height],
        ] as const) {
          const moved = Math.hypot(
            x * next.scale + next.left - (x * now.scale + now.left),
            y * next.scale + next.top - (y * now.scale + now.top),
          );
          expect(moved).toBeLessThan(4);
        }
      }),
    );
  });
});
