import { parseArgs } from "node:util";
import { defaultConfig, loadConfig } from "../../src/config/load.js";
import { startDaemon } from "../../src/daemon.js";
import { startEmbeddedBroker } from "../../src/mqtt/broker.js";
import type { Stage } from "../../src/pipeline.js";
import { createLogger } from "../../src/system/log.js";

/** What `npm run bench` prints; times in milliseconds. */
interface BenchResult {
  readonly frames: number;
  readonly seconds: number;
  readonly framesPerSecond: number;
  readonly latencyMs: { readonly p50: number; readonly p95: number; readonly p99: number };
  readonly stages: Readonly<Record<Stage, number>>;
  readonly facesPerFrame: number;
  readonly rssMiB: number;
}

/** The daemon as it is, on a video, as fast as it goes: every frame, none dropped, events to a broker. */
async function bench(video: string, configFile: string | undefined): Promise<BenchResult> {
  const broker = await startEmbeddedBroker(0);
  const base = configFile === undefined ? defaultConfig() : await loadConfig(configFile);
  const config = {
    ...base,
    source: { ...base.source, type: "video" as const, uri: video, loop: false, realtime: false },
    mqtt: { ...base.mqtt, url: broker.url },
    http: { ...base.http, listen: "none" },
  };
  const spent: Record<Stage, number> = {
    decode: 0,
    detect: 0,
    track: 0,
    classify: 0,
    publish: 0,
    annotate: 0,
  };
  const latencies: number[] = [];
  let faces = 0;
  let begun: number | undefined;
  let ended = 0;
  try {
    const daemon = await startDaemon({
      config,
      logger: createLogger("error"),
      signal: new AbortController().signal,
      environment: process.env,
      onStage: (stage, milliseconds) => {
        begun ??= performance.now() - milliseconds;
        spent[stage] += milliseconds;
      },
      onFrame: (_frame, latency, inView) => {
        ended = performance.now();
        latencies.push(latency);
        faces += inView;
      },
    });
    await daemon.finished;
  } finally {
    await broker.close();
  }
  const frames = latencies.length;
  if (frames === 0 || begun === undefined) throw new Error(`${video}: no frame could be read`);
  const seconds = (ended - begun) / 1000;
  const perFrame = Object.fromEntries(
    Object.entries(spent).map(([stage, total]) => [stage, round(total / frames)]),
  );
  return {
    frames,
    seconds: round(seconds),
    framesPerSecond: round(frames / seconds),
    latencyMs: {
      p50: percentile(latencies, 50),
      p95: percentile(latencies, 95),
      p99: percentile(latencies, 99),
    },
    stages: perFrame as BenchResult["stages"],
    facesPerFrame: round(faces / frames),
    rssMiB: round(process.resourceUsage().maxRSS / 1024),
  };
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
    json: { type: "boolean", default: false },
  },
});
if (values.video === undefined) {
  console.error("bench: name a video: npm run bench -- --video FILE [--config FILE] [--json]");
  process.exit(64);
}
try {
  const result = await bench(values.video, values.config);
  if (values.json) console.log(JSON.stringify(result));
  else console.table({ ...result.stages, ...result.latencyMs, framesPerSecond: result.framesPerSecond });
} catch (error) {
  console.error(`bench: ${(error as Error).message}`);
  process.exit(1);
}
