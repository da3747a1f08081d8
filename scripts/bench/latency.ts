import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { freePort, startMosquitto } from "../test-support/mosquitto.js";
import { filmOfClip, filmOfEmptyRoom } from "./films.js";
import { readGroundTruths } from "./truth.js";
import { type Usage, type WatchedDaemon, watchDaemon } from "./watched-daemon.js";

/**
 * The daemon as its user runs it, at 30 frames a second from a camera: how long from a frame taken to its message
 * received, by a subscriber in another process, through a real mosquitto; what a frame costs, with three faces and
 * with nobody there; how long from the start of the program to its first event; and the memory.
 *
 *     npm run latency [-- --seconds 20 --starts 3 --program "/usr/bin/emotiond" --json]
 *
 * The camera is a stand-in for rpicam-vid, so that no decoding is in the figures.
 */

const [WIDTH, HEIGHT, FRAMERATE] = [640, 480, 30];
const THREE_FACES = "face-demographics-walking-and-pause.avi";
/** Seconds until all faces are followed and nothing is loaded any more. */
const SETTLE = 4;
/** Seconds between updates of a face: ten times as many events as by default, so that percentiles mean something. */
const UPDATE_INTERVAL = 0.5;
/** Milliseconds that a start may take, on a machine busy elsewhere. */
const START_WITHIN = 30_000;

interface Spread {
  readonly n: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

interface Load {
  readonly framesPerSecond: number;
  readonly cpuMsPerFrame: number;
  /** Milliseconds a frame in each stage. */
  readonly stages: Readonly<Record<string, number>>;
  readonly peakRssMiB: number;
}

interface LatencyResult {
  /** Frame taken to message received, in milliseconds. */
  readonly latencyMs: { readonly events: Spread; readonly states: Spread };
  readonly threeFaces: Load;
  readonly emptyRoom: Load;
  /** Start of the program to its first event received, in milliseconds; `events.minDwell` (500) is in it. */
  readonly firstEventMs: readonly number[];
  /** Of these, from the start of the program to the first frame with the face: the rest is minDwell and the way. */
  readonly firstFrameMs: readonly number[];
}

interface Setting {
  readonly program: readonly string[];
  readonly folder: string;
  readonly engine: string;
}

async function withDaemon<Result>(
  { program, folder, engine }: Setting,
  film: string,
  events: object,
  measure: (daemon: WatchedDaemon) => Promise<Result>,
): Promise<Result> {
  const broker = await startMosquitto();
  try {
    const daemon = await watchDaemon({
      program,
      folder,
      broker,
      metricsPort: await freePort(),
      config: {
        source: { type: "libcamera", width: WIDTH, height: HEIGHT, framerate: FRAMERATE },
        emotion: { engine },
        events,
      },
      environment: {
        BENCH_FRAMES: film,
        // As its unit has it: what it finds out about the machine is kept there.
        STATE_DIRECTORY: folder,
        CACHE_DIRECTORY: folder,
        PATH: `${fileURLToPath(new URL("./camera", import.meta.url))}${delimiter}${process.env.PATH ?? ""}`,
      },
    });
    try {
      return await measure(daemon);
    } finally {
      await daemon.stop();
    }
  } finally {
    await broker.stop();
  }
}

async function underLoad(daemon: WatchedDaemon, seconds: number): Promise<{ load: Load; since: number }> {
  await daemon.listening(START_WITHIN);
  await sleep(SETTLE * 1000);
  const since = Date.now();
  const before = await daemon.usage();
  await sleep(seconds * 1000);
  const after = await daemon.usage();
  return { load: loadBetween(before, after, (Date.now() - since) / 1000), since };
}

function loadBetween(before: Usage, after: Usage, seconds: number): Load {
  const frames = after.frames - before.frames;
  return {
    framesPerSecond: round(frames / seconds),
    cpuMsPerFrame: round((after.cpuMs - before.cpuMs) / frames),
    stages: Object.fromEntries(
      [...after.stages].map(([name, spent]) => [
        name,
        round((spent - (before.stages.get(name) ?? 0)) / frames),
      ]),
    ),
    peakRssMiB: round(after.peakRssMiB),
  };
}

/** @returns milliseconds from the start of the program to the first event, and to the frame that showed the face first. */
async function timeStart(daemon: WatchedDaemon): Promise<{ event: number; frame: number }> {
  const deadline = Date.now() + START_WITHIN;
  for (;;) {
    const first = daemon.messages.find((message) => message.type === "new");
    if (first !== undefined) {
      return { event: first.received - daemon.startedAt, frame: first.since - daemon.startedAt };
    }
    if (Date.now() > deadline) throw new Error(`no event within ${START_WITHIN / 1000} s of the start`);
    await sleep(10);
  }
}

async function measure(setting: Setting, seconds: number, starts: number): Promise<LatencyResult> {
  const clip = (await readGroundTruths()).find(({ truth }) => truth.clip === THREE_FACES)?.file ?? null;
  if (clip === null) {
    throw new Error(
      `${THREE_FACES} is not there: name its folder in EMOTIOND_CLIPS (see test/ground-truth/README.md)`,
    );
  }
  const faces = join(setting.folder, "three-faces.yuv");
  const room = join(setting.folder, "empty-room.yuv");
  filmOfClip(clip, faces, WIDTH, HEIGHT);
  filmOfEmptyRoom(room, WIDTH, HEIGHT);

  const firsts: { event: number; frame: number }[] = [];
  // As installed: with the engine that the configuration asks for by default.
  const asInstalled = { ...setting, engine: "auto" };
  for (let start = 0; start < starts; start++)
    firsts.push(await withDaemon(asInstalled, faces, {}, timeStart));
  const full = await withDaemon(setting, faces, { updateInterval: UPDATE_INTERVAL }, async (daemon) => {
    const { load, since } = await underLoad(daemon, seconds);
    const messages = daemon.messages.filter((message) => message.taken >= since);
    const spread = (kind: "event" | "state") =>
      spreadOf(
        messages.filter((message) => message.kind === kind).map(({ taken, received }) => received - taken),
      );
    return { load, latencyMs: { events: spread("event"), states: spread("state") } };
  });
  const empty = await withDaemon(setting, room, {}, (daemon) => underLoad(daemon, seconds));
  return {
    latencyMs: full.latencyMs,
    threeFaces: full.load,
    emptyRoom: empty.load,
    firstEventMs: firsts.map(({ event }) => event),
    firstFrameMs: firsts.map(({ frame }) => frame),
  };
}

function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (percent: number) =>
    sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? Number.NaN;
  return { n: sorted.length, p50: at(50), p95: at(95), p99: at(99) };
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "20" },
    starts: { type: "string", default: "3" },
    engine: { type: "string", default: "onnx-int8" },
    program: { type: "string" },
    json: { type: "boolean", default: false },
  },
});
const main = fileURLToPath(new URL("../../dist/main.js", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "emotiond-latency-"));
try {
  const program = values.program?.split(" ") ?? [process.execPath, main];
  const result = await measure(
    { program, folder, engine: values.engine },
    Number(values.seconds),
    Number(values.starts),
  );
  console.log(values.json ? JSON.stringify(result) : JSON.stringify(result, null, 2));
} catch (error) {
  console.error(`latency: ${(error as Error).message}`);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
