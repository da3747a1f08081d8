import { fork } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { constants, setPriority } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { EngineName } from "./classifier.js";

export interface EngineTiming {
  readonly engine: EngineName;
  /** One face, median, in milliseconds; null where the engine cannot be used. */
  readonly msPerFace: number | null;
  /** Why it cannot be used. */
  readonly problem: string | null;
}

/** Loading TensorFlow takes seconds from an SD card, and the child gets what time nobody else wants. */
const TIME_LIMIT = 120_000;

const require = createRequire(import.meta.url);

/** Whether TensorFlow's own library is there, and not just the package around it; nothing is loaded to find out. */
export function tensorFlowInstalled(): boolean {
  try {
    const folder = dirname(require.resolve("@tensorflow/tfjs-node/package.json"));
    return existsSync(join(folder, "deps", "lib", "libtensorflow.so"));
  } catch {
    return false;
  }
}

/**
 * Times a face in each engine, in a process of its own at the lowest priority: it takes nothing from the camera, and
 * TensorFlow's library takes hundreds of megabytes that a process never gives back, which is too much for a device
 * where another engine turns out faster.
 *
 * @returns a timing for each engine, in their order; null when the signal aborted before.
 */
export function timeEngines(
  folder: string,
  engines: readonly EngineName[],
  signal: AbortSignal,
): Promise<readonly EngineTiming[] | null> {
  if (signal.aborted) return Promise.resolve(null);
  // From TypeScript sources, as in a test, the child needs the loader that its parent has.
  const fromSource = import.meta.url.endsWith(".ts");
  const program = fileURLToPath(
    new URL(fromSource ? "./time-engines.ts" : "./time-engines.js", import.meta.url),
  );
  const execArgv = fromSource ? ["--import", pathToFileURL(require.resolve("tsx")).href] : [];
  const child = fork(program, [folder, ...engines], {
    execArgv,
    stdio: ["ignore", "ignore", "ignore", "ipc"],
    timeout: TIME_LIMIT,
    killSignal: "SIGKILL",
  });
  yieldToOthers(child.pid);
  return new Promise((resolve) => {
    const told = new Map<EngineName, EngineTiming>();
    const finish = (problem: string) => {
      signal.removeEventListener("abort", abort);
      const untold = (engine: EngineName) => ({ engine, msPerFace: null, problem });
      resolve(signal.aborted ? null : engines.map((engine) => told.get(engine) ?? untold(engine)));
    };
    const abort = () => child.kill("SIGKILL");
    signal.addEventListener("abort", abort, { once: true });
    // One message an engine: where one takes its process down, the figures of those before it are known.
    child.on("message", (timing) => told.set((timing as EngineTiming).engine, timing as EngineTiming));
    child.once("error", (error) => finish(error.message));
    child.once("close", (code, killed) => finish(`timing it ended with ${killed ?? `exit code ${code}`}`));
  });
}

function yieldToOthers(pid: number | undefined): void {
  try {
    if (pid !== undefined) setPriority(pid, constants.priority.PRIORITY_LOW);
  } catch {
    // It ended already, or this sandbox forbids it: then it competes, for some seconds.
  }
}
