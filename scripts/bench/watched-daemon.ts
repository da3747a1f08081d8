import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import mqtt from "mqtt";
import { stringify } from "yaml";
import type { Mosquitto } from "../test-support/mosquitto.js";

export interface WatchedMessage {
  readonly kind: "event" | "state";
  /** Of an event: `new`, `update` or `end`. */
  readonly type: string | null;
  /** Faces in view, of a state. */
  readonly faces: number | null;
  /** When its frame was taken and when it was received, in milliseconds since the Unix epoch. */
  readonly taken: number;
  readonly received: number;
  /** When the frame that showed an event's face first was taken. */
  readonly since: number;
}

/** What a daemon has used up by now. */
export interface Usage {
  /** Of the daemon alone, all threads, in milliseconds. */
  readonly cpuMs: number;
  /** Highest resident memory so far. */
  readonly peakRssMiB: number;
  readonly frames: number;
  /** Milliseconds that all frames together spent in each stage. */
  readonly stages: ReadonlyMap<string, number>;
}

/** The daemon as its user runs it, in a process of its own, with a subscriber at its broker in this process. */
export interface WatchedDaemon {
  /** When it was started, in milliseconds since the Unix epoch. */
  readonly startedAt: number;
  readonly messages: readonly WatchedMessage[];
  /** Resolves when the daemon answers over HTTP: all of it runs. Rejects after so many milliseconds. */
  listening(within: number): Promise<void>;
  usage(): Promise<Usage>;
  stop(): Promise<void>;
}

export interface WatchedDaemonOptions {
  /** Program and first arguments, such as `node dist/main.js`. */
  readonly program: readonly string[];
  readonly config: Readonly<Record<string, unknown>>;
  readonly environment: NodeJS.ProcessEnv;
  readonly folder: string;
  readonly broker: Mosquitto;
  readonly metricsPort: number;
}

const DEVICE = "latency";
/** Clock ticks a second in /proc/PID/stat: Linux has it fixed at 100 for programs. */
const TICKS = 100;

/** @throws when the daemon ends at once. */
export async function watchDaemon(options: WatchedDaemonOptions): Promise<WatchedDaemon> {
  const { program, broker, metricsPort } = options;
  const messages: WatchedMessage[] = [];
  const client = await mqtt.connectAsync(broker.url, { protocolVersion: 5 });
  client.on("message", (topic, payload) => {
    const received = Date.now();
    const body = JSON.parse(payload.toString()) as {
      time: string;
      type?: string;
      since?: string;
      faces?: number;
    };
    messages.push({
      kind: topic.endsWith("/event") ? "event" : "state",
      type: body.type ?? null,
      faces: body.faces ?? null,
      taken: Date.parse(body.time),
      received,
      since: Date.parse(body.since ?? body.time),
    });
  });
  await client.subscribeAsync([`emotiond/${DEVICE}/event`, `emotiond/${DEVICE}/state`], { qos: 1 });

  const file = join(options.folder, "emotiond.yaml");
  const config = {
    ...options.config,
    device: DEVICE,
    mqtt: { url: broker.url },
    http: { listen: `127.0.0.1:${metricsPort}` },
    log: { level: "warn" },
  };
  writeFileSync(file, stringify(config));
  const [command = "node", ...args] = program;
  const startedAt = Date.now();
  const child = spawn(command, [...args, "run", "--config", file], {
    stdio: ["ignore", "ignore", "inherit"],
    env: { ...process.env, NOTIFY_SOCKET: "", ...options.environment },
  });

  return {
    startedAt,
    messages,
    async listening(within) {
      const deadline = Date.now() + within;
      for (;;) {
        const answers = await readMetrics(metricsPort).then(
          () => true,
          () => false,
        );
        if (answers) return;
        if (Date.now() > deadline) throw new Error(`the daemon does not answer within ${within / 1000} s`);
        await sleep(50);
      }
    },
    async usage() {
      const { frames, stages } = await readMetrics(metricsPort);
      return { ...readProcess(child), frames, stages };
    },
    async stop() {
      if (child.exitCode === null && child.signalCode === null) {
        const exit = once(child, "exit");
        child.kill("SIGTERM");
        await exit;
      }
      await client.endAsync();
    },
  };
}

function readProcess({ pid }: ChildProcess): Pick<Usage, "cpuMs" | "peakRssMiB"> {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The name in brackets may have spaces in it; utime and stime are the 12th and 13th after it.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return {
    cpuMs: ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS,
    peakRssMiB: Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) / 1024,
  };
}

async function readMetrics(port: number): Promise<Pick<Usage, "frames" | "stages">> {
  const answer = await fetch(`http://127.0.0.1:${port}/metrics`);
  const text = await answer.text();
  const stages = new Map<string, number>();
  for (const [, stage = "", seconds] of text.matchAll(
    /^emotiond_stage_duration_seconds_sum\{stage="(\w+)"\} (\S+)$/gm,
  )) {
    stages.set(stage, Number(seconds) * 1000);
  }
  return { frames: Number(/^emotiond_frame_latency_seconds_count (\S+)$/m.exec(text)?.[1] ?? 0), stages };
}
