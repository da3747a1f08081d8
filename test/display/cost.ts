import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connectAsync } from "mqtt";
import pino from "pino";
import { cv } from "../../src/base/opencv.js";
import { defaultConfig } from "../../src/config/load.js";
import { startDaemon } from "../../src/daemon/daemon.js";
import { startEmbeddedBroker } from "../../src/mqtt/broker.js";
import { startXServer } from "./xserver.js";

/**
 * What a display costs the daemon: its frames a second at 640×480, every frame of a clip and as fast as it can, without
 * a display, with it, and with the display's process stopped, in turns so that other work on the machine falls on all
 * three alike.
 *
 *     npx tsx test/display/cost.ts CLIP [ROUNDS]
 */

const TURN_MS = 2_000;
const FRAMES = 300;
const [clip, rounds = "12"] = process.argv.slice(2);
if (clip === undefined) throw new Error("usage: cost.ts CLIP [ROUNDS]");

const folder = mkdtempSync(join(tmpdir(), "emotiond-cost-"));
const server = await startXServer(1280, 720);
process.env.DISPLAY = server.display;
const broker = await startEmbeddedBroker(0);
const client = await connectAsync(broker.url);
await client.subscribeAsync("emotiond/cost/response");

let frames = 0;
let faces = 0;
const stopping = new AbortController();
const base = defaultConfig();
const daemon = await startDaemon({
  config: {
    ...base,
    device: "cost",
    source: { ...base.source, type: "video", uri: enlarge(clip), loop: true, realtime: false },
    emotion: { ...base.emotion, engine: "onnx-int8" },
    mqtt: { ...base.mqtt, url: broker.url },
    http: { ...base.http, listen: "none" },
  },
  logger: pino({ level: "warn" }),
  signal: stopping.signal,
  environment: process.env,
  onFrame: (_frame, _latency, inView) => {
    frames++;
    faces += inView;
  },
});

/** The clip at 640×480, between bars, as a file of its own. */
function enlarge(file: string): string {
  const enlarged = join(folder, "clip.avi");
  const video = new cv.VideoCapture(file);
  const writer = new cv.VideoWriter(enlarged, cv.VideoWriter.fourcc("MJPG"), 30, new cv.Size(640, 480), true);
  for (let frame = 0; frame < FRAMES; frame++) {
    const picture = video.read();
    if (picture.empty) break;
    const height = Math.round((640 * picture.rows) / picture.cols);
    const bar = Math.floor((480 - height) / 2);
    const fitted = picture.resize(height, 640);
    const framed = fitted.copyMakeBorder(
      bar,
      480 - height - bar,
      0,
      0,
      cv.BORDER_CONSTANT,
      new cv.Vec3(0, 0, 0),
    );
    writer.write(framed);
    for (const mat of [picture, fitted, framed]) mat.release();
  }
  writer.release();
  return enlarged;
}

async function setSink(sink: "x11" | "none"): Promise<void> {
  const answer = new Promise<string>((resolve) => {
    client.once("message", (_topic, payload) => resolve(payload.toString()));
  });
  await client.publishAsync("emotiond/cost/cmd/display", JSON.stringify({ sink }));
  const { ok, error } = JSON.parse(await answer) as { ok: boolean; error?: string };
  if (!ok) throw new Error(`the display: ${error}`);
}

/** The display's process. */
function displayProcess(): number {
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    const { name, parent } = stat(Number(pid));
    if (name.startsWith("gst-launch") && parent === process.pid) return Number(pid);
  }
  throw new Error("the display has no process");
}

function stat(pid: number): { name: string; parent: number; seconds: number } {
  let text = "";
  try {
    text = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return { name: "", parent: 0, seconds: 0 };
  }
  const name = text.slice(text.indexOf("(") + 1, text.lastIndexOf(")"));
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { name, parent: Number(fields[1]), seconds: (Number(fields[11]) + Number(fields[12])) / 100 };
}

const MODES = ["off", "on", "stopped"] as const;
type Mode = (typeof MODES)[number];
const totals: Record<Mode, { frames: number; seconds: number; processor: number; child: number }> = {
  off: { frames: 0, seconds: 0, processor: 0, child: 0 },
  on: { frames: 0, seconds: 0, processor: 0, child: 0 },
  stopped: { frames: 0, seconds: 0, processor: 0, child: 0 },
};

async function turn(mode: Mode, child?: number): Promise<void> {
  const total = totals[mode];
  const before = { frames, start: performance.now(), usage: process.cpuUsage() };
  const childBefore = child === undefined ? 0 : stat(child).seconds;
  await sleep(TURN_MS);
  const { user, system } = process.cpuUsage(before.usage);
  total.frames += frames - before.frames;
  total.seconds += (performance.now() - before.start) / 1000;
  total.processor += (user + system) / 1000;
  if (child !== undefined) total.child += stat(child).seconds - childBefore;
}

try {
  // The first frames are slower: everything is loaded with them.
  await sleep(3_000);
  for (let round = 0; round < Number(rounds); round++) {
    await setSink("x11");
    await sleep(500);
    const child = displayProcess();
    const shows = () => turn("on", child);
    const isStopped = async () => {
      process.kill(child, "SIGSTOP");
      await sleep(100);
      await turn("stopped", child);
      process.kill(child, "SIGCONT");
      await sleep(300);
    };
    for (const one of round % 2 === 0 ? [shows, isStopped] : [isStopped, shows]) await one();
    await setSink("none");
    await sleep(500);
    await turn("off");
  }
  for (const mode of MODES) {
    const total = totals[mode];
    console.log(
      `${mode.padEnd(8)} ${rate(mode).toFixed(1)} frames/s, ${(total.processor / total.frames).toFixed(2)} ms CPU a frame, ` +
        `display's process ${((100 * total.child) / total.seconds).toFixed(1)} % of a core`,
    );
  }
  const cost = (mode: Mode) => `${(100 * (1 - rate(mode) / rate("off"))).toFixed(1)} %`;
  console.log(
    `${(faces / frames).toFixed(1)} faces a frame; the display costs ${cost("on")} of the frames/s; stopped, ${cost("stopped")}`,
  );
} finally {
  stopping.abort();
  await daemon.finished;
  await client.endAsync();
  await broker.close();
  await server.stop();
  rmSync(folder, { recursive: true });
}

function rate(mode: Mode): number {
  return totals[mode].frames / totals[mode].seconds;
}
