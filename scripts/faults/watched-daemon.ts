import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** The built daemon in a process of its own, and what it says of itself. */
export interface WatchedDaemon {
  readonly child: ChildProcess;
  readonly exited: Promise<number | null>;
  /** Its metrics; null while it does not answer. */
  metrics(): Promise<DaemonMetrics | null>;
  /** Until it is connected and nothing waits for the broker; false if that takes longer than `timeoutMs`. */
  settled(timeoutMs: number): Promise<boolean>;
  /** What the kernel counts as its memory, in MiB. */
  rssMiB(): number;
}

export interface DaemonMetrics {
  /** The sum of all that have the name, whatever their labels; NaN where there is none. */
  sum(name: string): number;
}

const MAIN = join(import.meta.dirname, "../../dist/main.js");

export interface WatchedDaemonOptions {
  readonly configFile: string;
  /** Where the configuration's `http.listen` is reached, and the token that it asks for, if any. */
  readonly http: { readonly url: string; readonly token?: string };
  readonly environment: NodeJS.ProcessEnv;
  /** Program and arguments that run the daemon's own program, in the same process; default: none. */
  readonly runner?: readonly string[];
  /** Is told what it logs. */
  hear(text: Buffer): void;
}

/** Starts `run`. */
export function startWatchedDaemon(options: WatchedDaemonOptions): WatchedDaemon {
  const { configFile, http, environment, runner = [], hear } = options;
  const [program = process.execPath, ...args] = [
    ...runner,
    ...[process.execPath, MAIN, "run", "--config", configFile],
  ];
  const child = spawn(program, args, {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, NOTIFY_SOCKET: "", ...environment },
  });
  child.stderr.on("data", hear);
  const exited = once(child, "exit").then(([code]) => code as number | null);

  async function metrics(): Promise<DaemonMetrics | null> {
    try {
      const response = await fetch(`${http.url}/metrics`, {
        signal: AbortSignal.timeout(1000),
        ...(http.token === undefined ? {} : { headers: { authorization: `Bearer ${http.token}` } }),
      });
      return parse(await response.text());
    } catch {
      // Not up yet, or not any more.
      return null;
    }
  }

  return {
    child,
    exited,
    metrics,
    async settled(timeoutMs) {
      const deadline = performance.now() + timeoutMs;
      while (performance.now() < deadline) {
        const now = await metrics();
        if (now?.sum("emotiond_mqtt_connected") === 1 && now.sum("emotiond_mqtt_buffered_events") === 0)
          return true;
        await sleep(200);
      }
      return false;
    },
    rssMiB() {
      const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
      return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
    },
  };
}

function parse(text: string): DaemonMetrics {
  return {
    sum(name) {
      const found = [...text.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, "gm"))];
      if (found.length === 0) return Number.NaN;
      return found.reduce((sum, [, value]) => sum + Number(value), 0);
    },
  };
}
