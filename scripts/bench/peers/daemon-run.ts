import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import mqtt from "mqtt";
import { stringify } from "yaml";
import type { EmotionEvent, Health } from "../../../src/events/schema.js";
import { type BenchClip, fileOf } from "./clips.js";
import { peakRssMiB } from "./contestant.js";

/** The whole daemon on a live camera, as `emotiond run` starts it. */
export interface DaemonFigures {
  readonly clip: string;
  readonly framesPerSecond: number;
  /** Of the daemon's process, once it has settled, in milliseconds. */
  readonly cpuMsPerFrame: number;
  readonly framesDropped: number;
  /** From a frame taken to its event received by a subscriber, in milliseconds. */
  readonly latenciesMs: readonly number[];
  readonly peakRssMiB: number;
  /** From the start of the process to the first event received; null if there was none. */
  readonly firstEventMs: number | null;
}

export interface DaemonRunOptions {
  readonly clip: BenchClip;
  readonly framesPerSecond: number;
  /** Seconds that are measured, after those that are not. */
  readonly seconds: number;
  readonly settle: number;
  /** Seconds between two events of a face: each is a sample of the latency. */
  readonly updateInterval: number;
  readonly broker: { readonly url: string };
}

const MAIN = fileURLToPath(new URL("../../../dist/main.js", import.meta.url));
const CAMERA = fileURLToPath(new URL("camera/", import.meta.url));
const TOPICS = "emotiond-bench";
/** The kernel counts a process's time in these, in milliseconds. */
const TICK = 10;
const STOP_WITHIN = 8_000;

/** Runs the built daemon on a stand-in for the Pi's camera, which plays a clip to and fro. */
export async function runDaemon(options: DaemonRunOptions): Promise<DaemonFigures> {
  const { clip, framesPerSecond } = options;
  const folder = await mkdtemp(join(tmpdir(), "emotiond-bench-daemon-"));
  const subscriber = await mqtt.connectAsync(options.broker.url);
  try {
    await subscriber.subscribeAsync([`${TOPICS}/bench/event`, `${TOPICS}/bench/health`], { qos: 1 });
    const received: { frame: number; at: number; replayed: boolean }[] = [];
    let dropped = 0;
    subscriber.on("message", (topic, payload) => {
      const at = Date.now();
      if (topic.endsWith("/event")) {
        const event = JSON.parse(payload.toString()) as EmotionEvent;
        // An `end` is made when a face has been gone for a while: it says nothing of a frame's way.
        if (event.type !== "end") received.push({ frame: event.frame.number, at, replayed: event.replayed });
      } else {
        dropped = (JSON.parse(payload.toString()) as Health).pipeline.dropped;
      }
    });
    const [config, log] = [join(folder, "emotiond.yaml"), join(folder, "camera.log")];
    await writeFile(
      config,
      stringify({
        device: "bench",
        source: { type: "libcamera", width: clip.width, height: clip.height, framerate: framesPerSecond },
        events: { updateInterval: options.updateInterval },
        mqtt: { url: options.broker.url, baseTopic: TOPICS, homeAssistant: { enabled: false } },
        http: { listen: "none" },
        log: { level: "error" },
      }),
    );
    const startedAt = Date.now();
    const daemon = spawn(process.execPath, [MAIN, "run", "--config", config], {
      stdio: ["ignore", "ignore", "pipe"],
      env: {
        ...process.env,
        NOTIFY_SOCKET: "",
        RUNTIME_DIRECTORY: folder,
        PATH: `${CAMERA}${delimiter}${process.env.PATH ?? ""}`,
        BENCH_CAMERA_FILM: fileOf(clip, "i420"),
        BENCH_CAMERA_FILM_RATE: String(clip.framesPerSecond),
        BENCH_CAMERA_LOG: log,
      },
    });
    let words = "";
    daemon.stderr.on("data", (text: Buffer) => {
      words = (words + text.toString()).slice(-4000);
    });
    const gone = once(daemon, "exit");
    const pid = daemon.pid ?? 0;
    try {
      await pause(options.settle, gone);
      const [cpuBefore, from] = [await cpuMs(pid), Date.now()];
      await pause(options.seconds, gone);
      const [cpuAfter, to] = [await cpuMs(pid), Date.now()];
      const taken = takenAt(await readFile(log, "utf8"));
      const frames = [...taken.values()].filter((at) => at >= from && at < to).length;
      return {
        clip: clip.name,
        framesPerSecond,
        cpuMsPerFrame: (cpuAfter - cpuBefore) / frames,
        framesDropped: dropped,
        latenciesMs: received
          .filter(({ at, replayed }) => at >= from && at < to && !replayed)
          .flatMap(({ frame, at }) => at - (taken.get(frame) ?? Number.NaN))
          .filter(Number.isFinite),
        peakRssMiB: peakRssMiB(pid),
        firstEventMs: received[0] === undefined ? null : received[0].at - startedAt,
      };
    } catch (error) {
      throw new Error(`the daemon on ${clip.name}: ${(error as Error).message}\n${words}`);
    } finally {
      if (daemon.exitCode === null && daemon.signalCode === null) {
        daemon.kill("SIGTERM");
        const kill = setTimeout(() => daemon.kill("SIGKILL"), STOP_WITHIN);
        await gone;
        clearTimeout(kill);
      }
    }
  } finally {
    await subscriber.endAsync(true);
    await rm(folder, { recursive: true, force: true });
  }
}

/** The camera's own record: which frame it took when, in milliseconds since the epoch. */
export function takenAt(log: string): ReadonlyMap<number, number> {
  const lines = log.split("\n").filter((line) => line !== "");
  return new Map(
    lines.map((line) => {
      const [number, at] = line.split(" ").map(Number);
      return [number ?? 0, at ?? 0];
    }),
  );
}

/** User and system time of a process and all its threads, children apart. */
async function cpuMs(pid: number): Promise<number> {
  return cpuMsOf(await readFile(`/proc/${pid}/stat`, "utf8"));
}

/** @param stat a line of /proc/PID/stat; the program's name in it may hold anything, spaces and brackets too. */
export function cpuMsOf(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK;
}

async function pause(seconds: number, gone: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<"over">((resolve) => {
    timer = setTimeout(() => resolve("over"), seconds * 1000);
  });
  const first = await Promise.race([over, gone]);
  clearTimeout(timer);
  if (first !== "over") throw new Error("it ended before its time");
}
