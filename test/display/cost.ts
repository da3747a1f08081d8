import { readFileSync } from "node:fs";
import pino from "pino";
import type { Frame } from "../../src/camera/frame.js";
import { createDisplay } from "../../src/display/display.js";
import type { SceneFace } from "../../src/display/scene.js";
import { cv, type Mat } from "../../src/vision/opencv.js";
import { faceAt, sceneWith, until } from "./fixtures.js";
import { startXServer } from "./xserver.js";

/**
 * What a display costs a pipeline at 640×480: frames a second without it, with it, and with its process stopped, in
 * short turns so that other work on the machine falls on all three alike.
 *
 *     npx tsx test/display/cost.ts CLIP [SINK] [TURNS]        (SINK: x11, on an Xvfb of its own)
 */

const TURN_MS = 500;
const [clip, sink = "x11", turns = "30"] = process.argv.slice(2);
if (clip === undefined) throw new Error("usage: cost.ts CLIP [SINK] [TURNS]");

const server = await startXServer(1280, 720);
const display = createDisplay({
  config: { sink },
  privacy: { blurFaces: false },
  logger: pino({ level: "warn" }),
  machine: { sys: "/sys", dev: "/dev", env: { ...process.env, DISPLAY: server.display } },
});
const video = new cv.VideoCapture(clip);
const pictures: Mat[] = [];
for (let picture = video.read(); !picture.empty && pictures.length < 120; picture = video.read()) {
  pictures.push(picture.resize(480, 640));
  picture.release();
}
const cascade = new cv.CascadeClassifier(cv.HAAR_FRONTALFACE_DEFAULT);
let number = 0;

/** One frame through a full scan, which is what decides a pipeline's speed. */
async function processFrame(shows: boolean): Promise<void> {
  const picture = pictures[number++ % pictures.length]?.copy();
  if (picture === undefined) throw new Error(`no frames in ${clip}`);
  const grey = await picture.cvtColorAsync(cv.COLOR_BGR2GRAY);
  const frame: Frame = {
    number,
    takenAt: Date.now(),
    steadyAt: performance.now(),
    width: 640,
    height: 480,
    grey,
    picture: async () => picture,
    release: () => {
      picture.release();
      grey.release();
    },
  };
  try {
    await cascade.detectMultiScaleAsync(grey, 1.2, 4, 0, new cv.Size(48, 48));
    if (shows && display.wants()) await display.show(frame, sceneWith(faces()));
  } finally {
    frame.release();
  }
}

/** Three faces that move and age, so that nothing of the picture can be kept from the last. */
function faces(): SceneFace[] {
  return (["happy", "sad", "surprise"] as const).map((label, index) => ({
    ...faceAt(0.1 + index * 0.28 + 0.02 * Math.sin(number / 9), 0.3, 0.15, label, String(index)),
    ageSeconds: number / 30,
  }));
}

/** Seconds of processor time that the display's child has used. */
function childTime(): number {
  const { pid } = display.status();
  if (pid === null) return 0;
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

async function turn(shows: boolean, time = TURN_MS): Promise<void> {
  const end = performance.now() + time;
  while (performance.now() < end) await processFrame(shows);
}

const totals = new Map(
  (["off", "on", "stopped"] as const).map((mode) => [
    mode,
    { frames: 0, seconds: 0, processor: 0, shown: 0, child: 0 },
  ]),
);
await until(() => display.status().state === "showing", "the display");
await turn(false, 2000);
for (let round = 0; round < Number(turns); round++) {
  const order = round % 2 === 0 ? [...totals] : [...totals].reverse();
  for (const [mode, total] of order) {
    const pid = display.status().pid ?? 0;
    if (mode === "stopped") {
      process.kill(pid, "SIGSTOP");
      await turn(true, 100);
    }
    const before = {
      start: performance.now(),
      usage: process.cpuUsage(),
      number,
      ...display.status(),
      child: childTime(),
    };
    await turn(mode !== "off");
    const used = process.cpuUsage(before.usage);
    total.frames += number - before.number;
    total.seconds += (performance.now() - before.start) / 1000;
    total.processor += (used.user + used.system) / 1000;
    total.shown += display.status().shown - before.shown;
    total.child += childTime() - before.child;
    if (mode === "stopped") process.kill(pid, "SIGCONT");
    await turn(false, 150);
  }
}
const rate = (mode: "off" | "on" | "stopped") => {
  const total = totals.get(mode);
  return total === undefined ? 0 : total.frames / total.seconds;
};
for (const [mode, { frames, seconds, processor, shown, child }] of totals) {
  console.log(
    `${mode.padEnd(8)} ${(frames / seconds).toFixed(2)} frames/s, ${(processor / frames).toFixed(2)} ms CPU a frame, ` +
      `${(shown / seconds).toFixed(1)} shown/s, child ${((child / seconds) * 100).toFixed(1)} % of a core`,
  );
}
const cost = (mode: "on" | "stopped") => `${(100 * (1 - rate(mode) / rate("off"))).toFixed(1)} %`;
console.log(`the display costs ${cost("on")} of the frames/s; stopped, ${cost("stopped")}`);
await display.stop();
await server.stop();
