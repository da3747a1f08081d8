import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { arch, cpus } from "node:os";
import { join } from "node:path";
import { writeDurably } from "../base/durable-file.js";
import type { EngineTiming } from "./engine-timing.js";
import type { Manifest } from "./manifest.js";

/** Where the figures of this device are kept, so that its engines are timed once and not at every start. */
export interface EngineRecord {
  /** The figures of an earlier start, or null when there are none for this model, these engines and this machine. */
  read(): Promise<readonly EngineTiming[] | null>;
  /** @throws the file system's error. */
  write(timings: readonly EngineTiming[]): Promise<void>;
}

const FILE = "engines.json";
const PACKAGES = ["onnxruntime-node", "@tensorflow/tfjs-node"];

/**
 * @param folder the daemon's own, such as systemd's $STATE_DIRECTORY; undefined where it has none, and every start
 *   is the first.
 */
export function engineRecord(folder: string | undefined, manifest: Manifest): EngineRecord {
  if (folder === undefined) return { read: async () => null, write: async () => undefined };
  const path = join(folder, FILE);
  const key = keyOf(manifest);
  return {
    async read() {
      try {
        const kept = JSON.parse(await readFile(path, "utf8")) as { key?: unknown; timings?: unknown };
        return kept.key === key && isTimings(kept.timings) ? kept.timings : null;
      } catch {
        // None yet, or half of one: timed anew.
        return null;
      }
    },
    async write(timings) {
      await writeDurably(path, `${JSON.stringify({ key, timings })}\n`);
    },
  };
}

/** All that a face's time depends on: the model's files, the engines, the processor. */
function keyOf({ name, version, files }: Manifest): string {
  const processors = cpus();
  const about = {
    model: [name, version, files],
    engines: PACKAGES.map(versionOf),
    machine: [arch(), processors[0]?.model, processors.length],
  };
  return createHash("sha256").update(JSON.stringify(about)).digest("hex").slice(0, 32);
}

function versionOf(name: string): string | null {
  try {
    return (createRequire(import.meta.url)(`${name}/package.json`) as { version: string }).version;
  } catch {
    return null;
  }
}

function isTimings(value: unknown): value is readonly EngineTiming[] {
  const isTiming = (timing: unknown) => {
    if (typeof timing !== "object" || timing === null) return false;
    const { engine, msPerFace } = timing as Record<string, unknown>;
    return typeof engine === "string" && (msPerFace === null || typeof msPerFace === "number");
  };
  return Array.isArray(value) && value.every(isTiming);
}
