import { fork } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { defaultConfig, loadConfig } from "../../src/config/load.js";
import type { Stage } from "../../src/daemon/pipeline.js";
import { startEmbeddedBroker } from "../../src/mqtt/broker.js";

/** What `npm run bench` prints; times in milliseconds. */
interface BenchResult {
  readonly frames: number;
  readonly seconds: number;
  readonly framesPerSecond: number;
  readonly latencyMs: { readonly p50: number; readonly p95: number; readonly p99: number };
  /**
   * Milliseconds a frame. `decode` is the CPU time of the process that reads the video where that is more than what the
   * daemon waited for it: it decodes the next frame while the daemon is at work on this one.
   */
  readonly stages: Readonly<Record<Stage, number>>;
  readonly facesPerFrame: number;
  /** Of all threads of the daemon, and of the processes that it has started: the one that reads the video. */
  readonly cpuMsPerFrame: number;
  /**
   * The peak of the daemon's process, in which nothing else runs, and the peaks of the processes that it has started.
   * Pages that they share (Node's and OpenCV's code) are in it more than once.
   */
  readonly rssMiB: number;
}

/** What benched-daemon.mjs answers. */
interface Measured {
  readonly stages: Readonly<Record<Stage, number>>;
  readonly latencies: readonly number[];
  readonly faces: number;
  readonly seconds: number;
  readonly cpuMs: number;
  /** Of these, the CPU time of the process that reads the video. */
  readonly readerMs: number;
  readonly peakRssMiB: number;
}

const CHILD = fileURLToPath(new URL("./benched-daemon.mjs", import.meta.url));
const CHECKOUT = fileURLToPath(new URL("../..", import.meta.url));

/**
 * The compiled daemon on a video, as fast as it goes: every frame, none dropped, events to a broker.
 *
 * @param app where `dist` is: the checkout, or an unpacked package's usr/lib/emotiond, which brings its own Node.
 */
async function bench(video: string, configFile: string | undefined, app: string): Promise<BenchResult> {
  const broker = await startEmbeddedBroker(0);
  const base = configFile === undefined ? defaultConfig() : await loadConfig(configFile);
  const config = {
    ...base,
    source: { ...base.source, type: "video" as const, uri: video, loop: false, realtime: false },
    mqtt: { ...base.mqtt, url: broker.url },
    http: { ...base.http, listen: "none" },
  };
  try {
    const { latencies, faces, seconds, cpuMs, readerMs, peakRssMiB, ...measured } = await measure(
      config,
      app,
    );
    const stages = { ...measured.stages, decode: Math.max(measured.stages.decode, readerMs) };
    const frames = latencies.length;
    if (frames === 0) throw new Error(`${video}: no frame could be read`);
    return {
      frames,
      seconds: round(seconds),
      framesPerSecond: round(frames / seconds),
      latencyMs: {
        p50: percentile(latencies, 50),
        p95: percentile(latencies, 95),
        p99: percentile(latencies, 99),
      },
      stages: Object.fromEntries(
        Object.entries(stages).map(([stage, total]) => [stage, round(total / frames)]),
      ) as BenchResult["stages"],
      facesPerFrame: round(faces / frames),
      cpuMsPerFrame: round(cpuMs / frames),
      rssMiB: round(peakRssMiB),
    };
  } finally {
    await broker.close();
  }
}

async function measure(config: object, app: string): Promise<Measured> {
  const ownNode = join(app, "bin", "node");
  const child = fork(CHILD, [join(app, "dist")], {
    execArgv: [],
    // As the package's /usr/bin/emotiond has it.
    ...(existsSync(ownNode)
      ? { execPath: ownNode, env: { ...process.env, MALLOC_ARENA_MAX: "2", UV_THREADPOOL_SIZE: "3" } }
      : {}),
  });
  const ended = once(child, "exit").then(([code, signal]) => {
    throw new Error(`the daemon ended with ${signal ?? `exit code ${code}`}`);
  });
  child.send(config);
  const [answer] = (await Promise.race([once(child, "message"), ended])) as [Measured | { error: string }];
  ended.catch(() => undefined);
  if ("error" in answer) throw new Error(answer.error);
  return answer;
}

function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const index = Math.min(sorted.length - 1, Math.ceil((percent / 100) * sorted.length) - 1);
  return round(sorted[Math.max(0, index)] ?? 0);
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}

const { values } = parseArgs({
  options: {
    video: { type: "string" },
    config: { type: "string" },
    app: { type: "string", default: CHECKOUT },
    json: { type: "boolean", default: false },
  },
});
if (values.video === undefined) {
  console.error("bench: name a video: npm run bench -- --video FILE [--config FILE] [--app FOLDER] [--json]");
  process.exit(64);
}
try {
  const result = await bench(values.video, values.config, values.app);
  if (values.json) console.log(JSON.stringify(result));
  else {
    const { stages, latencyMs, framesPerSecond, cpuMsPerFrame, rssMiB } = result;
    console.table({ ...stages, ...latencyMs, framesPerSecond, cpuMsPerFrame, rssMiB });
  }
} catch (error) {
  console.error(`bench: ${(error as Error).message}`);
  process.exit(1);
}
