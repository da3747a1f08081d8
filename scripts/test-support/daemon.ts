import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";

const MAIN = fileURLToPath(new URL("../../dist/main.js", import.meta.url));

/** Group photos that come with a development dependency. */
export const SAMPLE_PHOTOS = join(
  dirname(createRequire(import.meta.url).resolve("@vladmandic/face-api/package.json")),
  "demo",
);

/** Clips and photos that are not in the repository; tests that need them are skipped where they are not. */
export const MEDIA = fileURLToPath(new URL("../../../shared/data/media", import.meta.url));

export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningProgram {
  readonly child: ChildProcess;
  readonly finished: Promise<Finished>;
  /** What it wrote to stderr so far. */
  stderr(): string;
  /** Resolves when stderr has the text. */
  says(text: string | RegExp, within?: number): Promise<void>;
}

/** Starts the built program as a user would. */
export function emotiond(
  args: readonly string[],
  environment: NodeJS.ProcessEnv = {},
  folder?: string,
): RunningProgram {
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, NOTIFY_SOCKET: "", ...environment },
  });
  let stdout = "";
  let stderr = "";
  child.stdout?.on("data", (text: Buffer) => {
    stdout += text.toString();
  });
  child.stderr?.on("data", (text: Buffer) => {
    stderr += text.toString();
  });
  const finished = once(child, "close").then(([code, signal]) => ({
    code: code as number | null,
    signal: signal as NodeJS.Signals | null,
    stdout,
    stderr,
  }));
  return {
    child,
    finished,
    stderr: () => stderr,
    async says(text, within = 15_000) {
      const deadline = performance.now() + within;
      while (!(typeof text === "string" ? stderr.includes(text) : text.test(stderr))) {
        if (performance.now() > deadline)
          throw new Error(`no ${String(text)} within ${within} ms in:\n${stderr}`);
        await new Promise((resolve) => setTimeout(resolve, 30));
      }
    },
  };
}

/** Ends a program without asking, and waits until it is gone. */
export async function killed(program: RunningProgram | undefined): Promise<void> {
  program?.child.kill("SIGKILL");
  await program?.finished;
}

/** A configuration file of its own folder. */
export function configFile(config: object): string {
  const file = join(mkdtempSync(join(tmpdir(), "emotiond-run-")), "emotiond.yaml");
  writeFileSync(file, stringify(config));
  return file;
}

/** Sample photos as a camera, a broker, no HTTP: what most tests run. */
export function stillsConfig(brokerUrl: string, more: object = {}): object {
  return {
    device: "test",
    emotion: { engine: "onnx-int8" },
    source: { type: "stills", uri: join(SAMPLE_PHOTOS, "sample*.jpg"), loop: true, framerate: 10 },
    mqtt: { url: brokerUrl },
    http: { listen: "none" },
    ...more,
  };
}
