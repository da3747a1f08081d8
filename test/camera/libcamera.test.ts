import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { silentLogger } from "../../src/base/logger.js";
import { CameraError } from "../../src/camera/camera.js";
import type { Frame } from "../../src/camera/frame.js";
import { createFrameMaker } from "../../src/camera/frame-maker.js";
import { NO_CAMERA_TOOL } from "../../src/camera/libcamera/camera-fault.js";
import { createLibcamera, unpaddedSize } from "../../src/camera/libcamera/libcamera.js";
import { createMasks } from "../../src/camera/masks.js";

const STAND_INS = new URL("./stand-ins/", import.meta.url).pathname;
const SOURCE = { width: 128, height: 96, framerate: 60 };

let folder = "";
let path: string | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "emotiond-test-"));
  path = process.env.PATH;
});

afterEach(async () => {
  process.env.PATH = path;
  // Nothing of an attempt stays behind.
  const left = readdirSync(folder);
  await rm(folder, { recursive: true });
  expect(left).toEqual([]);
});

/** Command lines of this machine's processes with these words in it. */
function processesNamed(words: string): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const line = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
        return line.includes(words) ? [line] : [];
      } catch {
        // Gone meanwhile.
        return [];
      }
    });
}

function standIn(behaviour: string) {
  process.env.PATH = `${STAND_INS}${behaviour}${delimiter}${path}`;
  return createLibcamera({ source: SOURCE, frames: createFrameMaker(createMasks([])), folders: [folder] });
}

/** Runs until `enough` frames or the end; the grey level of each frame's first pixel. */
async function greys(behaviour: string, enough: number): Promise<{ levels: number[]; error: unknown }> {
  const levels: number[] = [];
  const stop = new AbortController();
  const error = await standIn(behaviour)
    .run(async (frame) => {
      levels.push(frame.grey.at(0, 0));
      frame.release();
      if (levels.length === enough) stop.abort();
    }, stop.signal)
    .then(
      () => undefined,
      (reason: unknown) => reason,
    );
  return { levels, error };
}

describe("the Pi camera", () => {
  it("delivers each frame as it was sent, in order", async () => {
    const { levels, error } = await greys("ends", 1000);
    expect(levels).toEqual(Array.from({ length: 60 }, (_, index) => index));
    expect(error).toBeInstanceOf(CameraError);
    expect(String(error)).toContain("after 60 frames");
  });

  it("finds the program by its older name", async () => {
    expect((await greys("older-name", 5)).levels).toEqual([0, 1, 2, 3, 4]);
  });

  it("has colour, and a size", async () => {
    const stop = new AbortController();
    let seen: { frame: Pick<Frame, "width" | "height" | "number">; pixel: unknown } | undefined;
    await standIn("streams").run(async (frame) => {
      if (stop.signal.aborted) return frame.release();
      const { width, height, number } = frame;
      const bgr = await frame.picture();
      seen = { frame: { width, height, number }, pixel: [bgr.rows, bgr.cols, bgr.channels] };
      frame.release();
      stop.abort();
    }, stop.signal);
    expect(seen).toEqual({ frame: { width: 128, height: 96, number: 1 }, pixel: [96, 128, 3] });
  });

  it("leaves PATH and the environment as they were", async () => {
    await greys("streams", 3);
    expect(process.env.PATH).toBe(`${STAND_INS}streams${delimiter}${path}`);
    expect(Object.keys(process.env).filter((name) => name.startsWith("EMOTIOND_CAMERA"))).toEqual([]);
  });

  it("drops half a frame at the end", async () => {
    const { levels, error } = await greys("half-a-frame", 1000);
    expect(levels).toHaveLength(10);
    expect(String(error)).toContain("camera frontend has timed out");
  });

  it("is not ended by a flood on standard error", async () => {
    expect((await greys("floods", 60)).levels).toHaveLength(60);
  });

  it.each([
    ["dies", /failed to import fd 27/],
    ["no-camera", /check the ribbon cable/],
    ["busy", /another program uses the Pi camera/],
  ])("notices a program that %s before it opens the pipe", async (behaviour, message) => {
    const started = performance.now();
    const { levels, error } = await greys(behaviour, 1000);
    expect(levels).toEqual([]);
    expect(error).toBeInstanceOf(CameraError);
    expect(String(error)).toMatch(message);
    expect(performance.now() - started).toBeLessThan(5_000);
  });

  it.each([
    ["stalls", 1_000],
    ["never-opens", 1_000],
    ["ignores-term", 2_000],
  ])("stops a program that %s", async (behaviour, within) => {
    const stop = new AbortController();
    let stopped = 0;
    setTimeout(() => {
      stopped = performance.now();
      stop.abort();
    }, 1_000);
    await standIn(behaviour).run(async (frame) => frame.release(), stop.signal);
    expect(performance.now() - stopped).toBeLessThan(within + 1_000);
  });

  it("whose picture stands still has failed, and its program is ended", async () => {
    const { levels, error } = await greys("freezes", 10_000);
    expect(levels.slice(0, 12)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9]);
    expect(new Set(levels).size).toBe(10);
    expect(error).toBeInstanceOf(CameraError);
    expect(String(error)).toContain("libcamera 128×96 at 60/s stands still");
    expect(processesNamed("camera.mjs freezes")).toEqual([]);
  });

  it("whose cable has come loose says so, though its program goes on", async () => {
    const stop = new AbortController();
    let frames = 0;
    const failure = standIn("loose-cable").run(async (frame) => {
      frame.release();
      frames += 1;
      if (frames === 10) setTimeout(() => stop.abort(new CameraError("no frame for 1 s")), 1_000);
    }, stop.signal);
    await expect(failure).rejects.toThrow(/check the ribbon cable.*Device timeout detected/);
    expect(frames).toBe(10);
  });

  it("says what to install when there is no program", async () => {
    process.env.PATH = "/nowhere";
    const camera = createLibcamera({ source: SOURCE, frames: createFrameMaker(createMasks([])) });
    await expect(camera.run(async () => undefined, new AbortController().signal)).rejects.toThrow(
      NO_CAMERA_TOOL,
    );
  });

  it("rounds a width that the Pi would pad, and says so", () => {
    const warnings: object[] = [];
    const log = { ...silentLogger, warn: (fields: object) => warnings.push(fields) };
    const frames = createFrameMaker(createMasks([]));
    const camera = createLibcamera({ source: { width: 960, height: 601, framerate: 30 }, frames, log });
    expect(camera.description).toBe("libcamera 1024×602 at 30/s");
    expect(warnings).toEqual([{ asked: "960×601", used: "1024×602" }]);
    expect(unpaddedSize(640, 480)).toEqual({ width: 640, height: 480 });
    // A Pi 5 would pad these: they are multiples of 64, and not of 128.
    expect(unpaddedSize(320, 240)).toEqual({ width: 384, height: 240 });
    expect(unpaddedSize(64, 64)).toEqual({ width: 128, height: 64 });
    for (const width of [1280, 1920, 640, 1536]) expect(unpaddedSize(width, 480).width).toBe(width);
  });
});
