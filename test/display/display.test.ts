import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { cv } from "../../src/base/opencv.js";
import {
  createDisplay,
  type Display,
  type DisplayOptions,
  renderSnapshot,
} from "../../src/display/display.js";
import { onCanvas } from "../../src/display/draw/annotate.js";
import { placeFrame } from "../../src/display/draw/canvas.js";
import type { Scene } from "../../src/display/scene.js";
import { SCREEN_TIMES } from "../../src/display/screen/screen.js";
import { count, faceAt, frameOf, memoryLogger, pixelAt, sceneWith, until } from "./fixtures.js";
import { startXServer, type XServer } from "./xserver.js";

const times = { ...SCREEN_TIMES, firstBackoff: 50, longestBackoff: 400, plugPoll: 50, stopGrace: 500 };
const nowhere = {
  sys: "/nonexistent",
  dev: "/nonexistent",
  env: { PATH: process.env.PATH, HOME: process.env.HOME },
};
const SURPRISE = [0x56, 0xb4, 0xe9] as const;
const scene = sceneWith([faceAt(0.4, 0.3, 0.2, "surprise")]);

let display: Display | undefined;

function open(sink: string, changes: Partial<DisplayOptions> = {}) {
  const log = memoryLogger();
  const opened = createDisplay({
    config: { sink },
    logger: log.logger,
    machine: nowhere,
    times,
    device: "kitchen",
    ...changes,
  });
  display = opened;
  return { display: opened, log };
}

afterEach(async () => {
  await display?.stop();
  display = undefined;
});

/** Shows one frame as the pipeline does, and releases it at once after. */
async function showOne(shown: Display, of: Scene, width = 640, height = 480): Promise<void> {
  await until(() => shown.wants(), "the display to want a frame");
  const { frame } = frameOf(width, height);
  const before = shown.status().shown;
  try {
    await shown.show(frame, of);
  } finally {
    frame.release();
  }
  await until(() => shown.status().shown > before, "the picture to be flushed");
}

describe("display", () => {
  it("wants nothing, and asks no frame for its colours, while it is off", async () => {
    const { display } = open("none");
    const { frame, asked } = frameOf();
    expect(display.wants()).toBe(false);
    await display.show(frame, scene);
    expect(asked()).toBe(0);
    frame.release();
    expect(display.status()).toMatchObject({ state: "off", sink: "none", fault: null, pid: null });
  });

  it("needs the frame no longer once show() has settled", async () => {
    const { display, log } = open("fakesink sync=false");
    for (let shown = 0; shown < 5; shown++) await showOne(display, scene);
    expect(log.lines.filter(({ level }) => level !== "info")).toEqual([]);
  });

  it("shows no more frames a second than its cap", async () => {
    const { display } = open("fakesink sync=false");
    await showOne(display, scene);
    const { frame } = frameOf(64, 48);
    const before = display.status().shown;
    const end = performance.now() + 1000;
    while (performance.now() < end) {
      if (display.wants()) await display.show(frame, sceneWith([]));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    frame.release();
    const shown = display.status().shown - before;
    expect(shown).toBeLessThanOrEqual(36);
    expect(shown).toBeGreaterThan(0);
  });

  it("wants no frame while the sink is stopped", async () => {
    const { display } = open("fakesink sync=false");
    await showOne(display, scene);
    const pid = display.status().pid ?? 0;
    const { frame, asked } = frameOf();
    process.kill(pid, "SIGSTOP");
    try {
      // One picture fills the slot; after that, nothing is asked for any more.
      await until(() => display.wants(), "the slot to be free");
      await display.show(frame, scene);
      await new Promise((resolve) => setTimeout(resolve, 100));
      const before = asked();
      const start = performance.now();
      for (let offered = 0; offered < 1000; offered++) {
        if (display.wants()) await display.show(frame, scene);
      }
      expect(asked()).toBe(before);
      expect(performance.now() - start).toBeLessThan(300);
    } finally {
      process.kill(pid, "SIGCONT");
      frame.release();
    }
    await until(() => display.wants(), "the display to go on");
  });

  it("keeps a fault in a frame to itself, and says it once", async () => {
    const { display, log } = open("fakesink sync=false");
    for (let shown = 0; shown < 3; shown++) {
      await until(() => display.wants(), "the display to want a frame");
      const { frame } = frameOf();
      frame.release();
      await expect(display.show(frame, scene)).resolves.toBeUndefined();
    }
    expect(log.lines.filter(({ level }) => level === "warn")).toHaveLength(1);
  });

  it("ends with the signal", async () => {
    const controller = new AbortController();
    const { display } = open("fakesink sync=false", { signal: controller.signal });
    await showOne(display, scene);
    controller.abort();
    await until(() => display.status().state === "off", "the display to end");
    expect(display.wants()).toBe(false);
  });
});

describe("setSink", () => {
  it("goes from one sink to another and off", async () => {
    const { display } = open("fakesink sync=false");
    await showOne(display, scene);
    await expect(display.setSink("none")).resolves.toEqual({ ok: true });
    expect(display.status()).toMatchObject({ state: "off", sink: "none" });
    await expect(display.setSink("fakesink sync=false")).resolves.toEqual({ ok: true });
    await showOne(display, scene);
  });

  it("refuses a pipeline that the configuration does not name: it could send pictures away", async () => {
    const { display } = open("none");
    const answer = await display.setSink("udpsink host=192.0.2.1");
    expect(answer).toEqual({ ok: false, error: expect.stringContaining("must be none, auto") });
    expect(display.status().state).toBe("off");
  });

  it("keeps the old sink when the new one cannot show, and says why", async () => {
    const { display } = open("fakesink sync=false");
    await showOne(display, scene);
    const answer = await display.setSink("x11");
    expect(answer).toEqual({ ok: false, error: expect.stringContaining("DISPLAY is not set") });
    expect(display.status().sink).toBe("fakesink sync=false");
    await showOne(display, scene);
  });

  it("carries out one command at a time", async () => {
    const { display } = open("fakesink sync=false");
    await showOne(display, scene);
    const answers = await Promise.all([display.setSink("none"), display.setSink("auto")]);
    expect(answers).toEqual([{ ok: true }, { ok: false, error: expect.stringContaining("another") }]);
  });

  it("takes auto without a display for an answer", async () => {
    const { display } = open("none");
    await expect(display.setSink("auto")).resolves.toEqual({ ok: true });
    expect(display.status()).toMatchObject({ sink: "auto", state: "waiting" });
  });
});

describe("configure", () => {
  it("takes another pipeline from the configuration, and keeps a sink that cannot show yet", async () => {
    const { display } = open("none");
    await display.configure({ sink: "fakesink sync=false name=other" });
    await showOne(display, scene);
    await expect(display.setSink("none")).resolves.toEqual({ ok: true });
    await expect(display.setSink("fakesink sync=false name=other")).resolves.toEqual({ ok: true });
    await display.configure({ sink: "x11" });
    await until(() => display.status().fault !== null, "the fault");
    expect(display.status()).toMatchObject({
      sink: "x11",
      fault: expect.stringContaining("DISPLAY is not set"),
    });
  });
});

describe("renderSnapshot", () => {
  it("is a JPEG of the annotated picture", async () => {
    const { frame } = frameOf();
    const jpeg = await renderSnapshot(frame, scene);
    frame.release();
    expect([...jpeg.subarray(0, 2)]).toEqual([0xff, 0xd8]);
    const picture = cv.imdecode(jpeg);
    try {
      expect(picture.cols).toBe(960);
      const box = onCanvas(
        { x: 0.4, y: 0.3, width: 0.2, height: 0.2 },
        { x: 0, y: 0, width: 960, height: 720 },
      );
      const edge = { x: box.x - 2, y: box.y + 40, width: 6, height: 60 };
      expect(count(picture, SURPRISE, edge, 40)).toBeGreaterThan(60);
    } finally {
      picture.release();
    }
  });

  it("pixelates what the scene hides", async () => {
    const { frame } = frameOf();
    const picture = await frame.picture();
    // A chequered face: pixelated, its squares average to grey.
    for (let y = 150; y < 250; y += 8) {
      for (let x = 260; x < 380; x += 8) {
        const white = ((x - 260) / 8 + (y - 150) / 8) % 2 === 0;
        picture.drawRectangle(
          new cv.Point2(x, y),
          new cv.Point2(x + 7, y + 7),
          white ? new cv.Vec3(255, 255, 255) : new cv.Vec3(0, 0, 0),
          -1,
        );
      }
    }
    const bright = async (hidden: Scene["hidden"]) => {
      const jpeg = await renderSnapshot(frame, { ...scene, hidden });
      const shown = cv.imdecode(jpeg);
      try {
        return count(shown, [255, 255, 255], { x: 420, y: 250, width: 100, height: 80 }, 60);
      } finally {
        shown.release();
      }
    };
    expect(await bright([])).toBeGreaterThan(1000);
    expect(await bright(scene.faces.map(({ box }) => box))).toBe(0);
    frame.release();
  });
});

const hasX =
  spawnSync("Xvfb", ["-version"]).error === undefined &&
  spawnSync("import", ["-version"]).error === undefined;

describe.skipIf(!hasX)("an X server's window", () => {
  let server: XServer;
  let folder: string;
  beforeAll(async () => {
    server = await startXServer(1280, 720);
    folder = mkdtempSync(join(tmpdir(), "display-"));
  });
  afterAll(async () => {
    await server.stop();
    rmSync(folder, { recursive: true });
  });

  const onX = () => ({ machine: { ...nowhere, env: { ...nowhere.env, DISPLAY: server.display } } });

  it.each(["x11", "auto"])("shows the box where the face is (%s)", async (sink) => {
    const { display } = open(sink, onX());
    // More than one: the first may have been drawn before the window was mapped.
    for (let shown = 0; shown < 4; shown++) await showOne(display, scene);
    await new Promise((resolve) => setTimeout(resolve, 200));
    const picture = await server.screenshot();
    try {
      const place = placeFrame({ width: 1280, height: 720 }, { width: 640, height: 480 });
      const box = onCanvas({ x: 0.4, y: 0.3, width: 0.2, height: 0.2 }, place);
      const middleY = box.y + box.height / 2;
      expect(pixelAt(picture, box.x, middleY)).toEqual(SURPRISE);
      expect(pixelAt(picture, box.x + box.width - 1, middleY)).toEqual(SURPRISE);
      expect(pixelAt(picture, box.x + box.width / 2, middleY)).toEqual([60, 60, 60]);
      expect(pixelAt(picture, 10, 10)).toEqual([0, 0, 0]);
      expect(display.status()).toMatchObject({ state: "showing", output: "x11", fault: null });
    } finally {
      picture.release();
    }
  });

  it("draws at the size of a small screen", async () => {
    const small = await startXServer(800, 480);
    try {
      const { display } = open("x11", {
        machine: { ...nowhere, env: { ...nowhere.env, DISPLAY: small.display } },
      });
      for (let shown = 0; shown < 4; shown++) await showOne(display, scene);
      await new Promise((resolve) => setTimeout(resolve, 200));
      expect(display.status()).toMatchObject({ width: 800, height: 480 });
      const picture = await small.screenshot();
      const strip = { x: 0, y: 476, width: 800, height: 4 };
      expect(count(picture, [0x10, 0x14, 0x1a], strip)).toBe(800 * 4);
      picture.release();
      await display.stop();
    } finally {
      await small.stop();
    }
  });

  it("shows a notice while the camera is away, and pictures again after", async () => {
    const { display } = open("x11", onX());
    await showOne(display, scene);
    const before = display.status().shown;
    display.placeholder("no camera: /dev/video0 is gone, retrying");
    await until(() => display.status().shown >= before + 2, "the notice and its clock");
    await new Promise((resolve) => setTimeout(resolve, 200));
    const away = await server.screenshot(process.env.KEEP_PLACEHOLDER);
    expect(count(away, SURPRISE)).toBe(0);
    expect(count(away, [255, 255, 255], { x: 0, y: 350, width: 1280, height: 80 }, 100)).toBeGreaterThan(500);
    away.release();
    for (let shown = 0; shown < 3; shown++) await showOne(display, scene);
    await new Promise((resolve) => setTimeout(resolve, 200));
    const back = await server.screenshot();
    expect(count(back, SURPRISE)).toBeGreaterThan(500);
    back.release();
  });

  it("opens its window again after the child was killed", async () => {
    const { display } = open("x11", onX());
    await showOne(display, scene);
    process.kill(display.status().pid ?? 0, "SIGKILL");
    await until(
      () => display.status().starts === 2 && display.status().state === "showing",
      "the second child",
    );
    await showOne(display, scene);
    let surprise = 0;
    // A picture that is flushed is not on the screen yet.
    for (const end = Date.now() + 10_000; surprise <= 500 && Date.now() < end; ) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      const picture = await server.screenshot();
      surprise = count(picture, SURPRISE);
      picture.release();
    }
    expect(surprise).toBeGreaterThan(500);
  });
});
