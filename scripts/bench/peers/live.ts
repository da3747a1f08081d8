import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { freePort, type Mosquitto } from "../../test-support/mosquitto.js";
import { watchDaemon } from "../watched-daemon.js";
import { type BenchClip, fileOf } from "./clips.js";

/** The whole daemon on a live camera, as `emotiond run` starts it. */
export interface LiveFigures {
  readonly clip: string;
  /** Of the camera, and of what the daemon took in. */
  readonly asked: number;
  readonly framesPerSecond: number;
  /** Of the daemon's process, once it has settled, in milliseconds. */
  readonly cpuMsPerFrame: number;
  /** From a frame taken to its event received by a subscriber, in milliseconds. */
  readonly latenciesMs: readonly number[];
  readonly peakRssMiB: number;
}

export interface LiveOptions {
  readonly clip: BenchClip;
  /** Of the camera; the clip keeps its own pace, so that above its rate some frames come more than once. */
  readonly framesPerSecond: number;
  /** Seconds that are measured, after those that are not. */
  readonly seconds: number;
  readonly settle: number;
  /** Seconds between two events of a face: each is a sample of the latency. */
  readonly updateInterval: number;
  readonly broker: Mosquitto;
}

const MAIN = fileURLToPath(new URL("../../../dist/main.js", import.meta.url));
const CAMERA = fileURLToPath(new URL("../camera/", import.meta.url));

/** Runs the built daemon on a stand-in for the Pi's camera, which plays a clip to and fro. */
export async function runLive(options: LiveOptions): Promise<LiveFigures> {
  const { clip, framesPerSecond, broker } = options;
  const folder = mkdtempSync(join(tmpdir(), "emotiond-bench-live-"));
  try {
    const film = join(folder, "film.i420");
    writeFilm(clip, framesPerSecond, film);
    const daemon = await watchDaemon({
      program: [process.execPath, MAIN],
      folder,
      broker,
      metricsPort: await freePort(),
      config: {
        source: { type: "libcamera", width: clip.width, height: clip.height, framerate: framesPerSecond },
        emotion: { engine: "onnx-int8" },
        events: { updateInterval: options.updateInterval },
      },
      environment: {
        BENCH_FRAMES: film,
        // The daemon takes every EMOTIOND_… for a setting of its own, and this one is ours.
        EMOTIOND_CLIPS: undefined,
        STATE_DIRECTORY: folder,
        CACHE_DIRECTORY: folder,
        PATH: `${CAMERA}${delimiter}${process.env.PATH ?? ""}`,
      },
    });
    try {
      await sleep(options.settle * 1000);
      const [before, from] = [await daemon.usage(), Date.now()];
      await sleep(options.seconds * 1000);
      const [after, to] = [await daemon.usage(), Date.now()];
      const frames = after.frames - before.frames;
      return {
        clip: clip.name,
        asked: framesPerSecond,
        framesPerSecond: (frames * 1000) / (to - from),
        cpuMsPerFrame: (after.cpuMs - before.cpuMs) / frames,
        // An `end` is made when a face has been gone for a while: it says nothing of a frame's way.
        latenciesMs: daemon.messages
          .filter(({ kind, type, taken }) => kind === "event" && type !== "end" && taken >= from)
          .map(({ taken, received }) => received - taken),
        peakRssMiB: after.peakRssMiB,
      };
    } finally {
      await daemon.stop();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The clip's frames as a camera of another rate would have taken them. */
function writeFilm(clip: BenchClip, framesPerSecond: number, file: string): void {
  const frame = Buffer.alloc((clip.width * clip.height * 3) / 2);
  const [source, film] = [openSync(fileOf(clip, "i420"), "r"), openSync(file, "w")];
  for (const index of framesSeen(clip.frames, clip.framesPerSecond, framesPerSecond)) {
    readSync(source, frame, 0, frame.length, index * frame.length);
    writeSync(film, frame);
  }
  closeSync(source);
  closeSync(film);
}

/** Which frames of a clip a camera of a given rate sees, while the clip runs once. */
export function framesSeen(frames: number, clipRate: number, cameraRate: number): number[] {
  const seen = Math.floor((frames * cameraRate) / clipRate);
  return Array.from({ length: seen }, (_, index) =>
    Math.min(frames - 1, Math.floor((index * clipRate) / cameraRate + 1e-9)),
  );
}
