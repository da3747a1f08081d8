import { type ChildProcess, spawn } from "node:child_process";
import { createRequire } from "node:module";
import type { Duplex } from "node:stream";
import { fileURLToPath, pathToFileURL } from "node:url";
import { settledWithin } from "../../base/clock.js";
import { addonFile } from "../../base/opencv.js";
import { withParent } from "../../base/with-parent.js";
import { type CaptureMessage, type CaptureOrder, createMessageReader } from "./capture-protocol.js";

/** Milliseconds for the child to let go of its source by itself; then for TERM; then for KILL. */
const LETS_GO = 1_000;
const ENDS = 300;
/** Words kept for what they say of a failure. */
const KEPT_WORDS = 8_000;
/** Frames that may be under way: one is used here while the next is read there. */
const UNDER_WAY = 2;

export interface CapturedFrame {
  readonly message: Extract<CaptureMessage, { kind: "frame" }>;
  /** BGR, BGRx or grey, row by row; valid until `done` is called. */
  readonly picture: Buffer;
  done(): void;
}

/** A video source that another process opens and reads. */
export interface CaptureProcess {
  /**
   * The next message, in order; null when the child is gone, or was stopped.
   */
  next(): Promise<CaptureMessage | null>;
  /** The picture of the frame that `next` told of last. */
  frame(): CapturedFrame | null;
  /** Tells the child what to open, once it has told that it is `ready`. */
  order(order: CaptureOrder): void;
  /** The end of what the child and OpenCV's libraries printed. */
  words(): string;
  /** How it ended; null while it runs. */
  ending(): string | null;
  /** Lets go of the source: resolves when the child is gone, or was given up on after KILL. */
  stop(): Promise<void>;
}

export interface CaptureProcessOptions {
  readonly kind: CaptureOrder["kind"];
  readonly environment: NodeJS.ProcessEnv;
  readonly onLine: (line: string) => void;
}

/**
 * Starts the child. OpenCV opens a source on the thread that asks, and waits there for as long as a server trickles
 * or a pipe has no writer: in the daemon that would stop every timer and signal. Its crashes end the child, too.
 */
export function startCapture({ kind, environment, onLine }: CaptureProcessOptions): CaptureProcess {
  const child = spawnChild(kind, environment);
  const { stdin } = child;
  const messages = child.stdio[3] as Duplex;
  let words = "";
  const waiting: { message: CaptureMessage; picture: Buffer }[] = [];
  let wake: () => void = () => undefined;
  let ready = false;
  let opened = false;
  let ending: string | null = null;
  let stopped: Promise<void> | undefined;
  let current: CapturedFrame | null = null;
  const spare: Buffer[] = [];

  const listen = (stream: NodeJS.ReadableStream | null) => {
    let rest = "";
    stream?.on("data", (bytes: Buffer) => {
      const text = bytes.toString();
      words = (words + text).slice(-KEPT_WORDS);
      const lines = (rest + text).split("\n");
      rest = (lines.pop() ?? "").slice(-KEPT_WORDS);
      for (const line of lines) if (line.trim() !== "") onLine(line.trim());
    });
  };
  listen(child.stdout);
  listen(child.stderr);
  // Gone before it was told what to do.
  stdin?.on("error", () => undefined);
  messages.on("error", () => undefined);
  const closed = new Promise<void>((resolve) => {
    const end = (how: string) => {
      ending ??= how;
      wake();
      resolve();
    };
    child.on("error", (error) => end(error.message));
    child.on("close", (code, signal) => end(signal ?? `exit code ${code}`));
  });
  const read = createMessageReader(
    (bytes) => {
      const buffer = spare.pop();
      return buffer?.length === bytes ? buffer : Buffer.allocUnsafeSlow(bytes);
    },
    (message, picture) => {
      if (message.kind === "ready") ready = true;
      if (message.kind === "opened") opened = true;
      waiting.push({ message, picture });
      wake();
    },
  );
  messages.on("data", read);

  const ask = (frames: number) => {
    if (stdin?.writable === true) stdin.write(".".repeat(frames));
  };

  const end = async () => {
    stdin?.end();
    if (!ready && kind === "pipeline" && ending === null) {
      // Cut short, GStreamer would look through its plugins again at each start. With no order it ends.
      release(child);
      return;
    }
    if (opened && (await settledWithin(closed, LETS_GO))) return;
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      if (ending !== null) return;
      child.kill(signal);
      if (await settledWithin(closed, ENDS)) return;
    }
    // Stuck in the kernel, it will not go.
    release(child);
  };

  return {
    next: async () => {
      while (waiting.length === 0 && ending === null && stopped === undefined) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      const first = waiting.shift();
      if (first === undefined || stopped !== undefined) return null;
      const { message, picture } = first;
      if (message.kind === "frame") {
        let done = false;
        current = {
          message,
          picture,
          done: () => {
            if (done) return;
            done = true;
            if (spare.length < UNDER_WAY) spare.push(picture);
            ask(1);
          },
        };
      }
      return message;
    },
    frame: () => current,
    order: (order) => {
      stdin?.write(`${JSON.stringify(order)}\n${".".repeat(UNDER_WAY)}`);
    },
    words: () => words,
    ending: () => ending,
    stop: () => {
      stopped ??= end();
      wake();
      return stopped;
    },
  };
}

function spawnChild(kind: CaptureOrder["kind"], environment: NodeJS.ProcessEnv): ChildProcess {
  // From TypeScript sources, as in a test, the child needs the loader that its parent has.
  const fromSource = import.meta.url.endsWith(".ts");
  const program = fileURLToPath(
    new URL(fromSource ? "./capture-program.ts" : "./capture-program.js", import.meta.url),
  );
  const loader = () => pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
  const [file, ...args] = withParent([
    process.execPath,
    ...(fromSource ? ["--import", loader()] : []),
    // Its pictures live outside V8's heap, which stays as small as it is.
    ...["--max-semi-space-size=1", program, addonFile, kind],
  ]);
  return spawn(file, args, { stdio: ["pipe", "pipe", "pipe", "pipe"], env: environment });
}

/** What is left of it keeps nothing alive. */
function release(child: ChildProcess): void {
  child.unref();
  for (const stream of child.stdio) {
    (stream as { unref?: () => void } | null)?.unref?.();
    // Its own end stays open until it ends: what it prints has somewhere to go.
  }
}
