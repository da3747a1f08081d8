import { fork } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

/** One of the two is null. */
export interface TensorFlowTiming {
  readonly msPerFace: number | null;
  /** Why it cannot be used. */
  readonly problem: string | null;
}

/** Loading TensorFlow takes seconds from an SD card; more than this is a fault. */
const TIME_LIMIT = 60_000;

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
 * Times a face in TensorFlow in a process of its own: its library takes hundreds of megabytes that a process never
 * gives back, which is too much for a device where another engine turns out faster.
 */
export function timeTensorFlow(folder: string): Promise<TensorFlowTiming> {
  // From TypeScript sources, as in a test, the child needs the loader that its parent has.
  const fromSource = import.meta.url.endsWith(".ts");
  const program = fileURLToPath(
    new URL(fromSource ? "./time-tensorflow.ts" : "./time-tensorflow.js", import.meta.url),
  );
  const execArgv = fromSource ? ["--import", pathToFileURL(require.resolve("tsx")).href] : [];
  const child = fork(program, [folder], {
    execArgv,
    stdio: ["ignore", "ignore", "ignore", "ipc"],
    timeout: TIME_LIMIT,
  });
  return new Promise((resolve) => {
    child.once("message", (timing) => resolve(timing as TensorFlowTiming));
    child.once("error", (error) => resolve({ msPerFace: null, problem: error.message }));
    child.once("exit", (code, signal) =>
      resolve({ msPerFace: null, problem: `timing TensorFlow ended with ${signal ?? `exit code ${code}`}` }),
    );
  });
}
