import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { type ClipFile, type Order, parseReport, type Report } from "./protocol.js";

/** Layouts of a frame: planar YUV 4:2:0 as a camera gives it, or packed RGB as tfjs wants it. */
export type Pixels = "i420" | "rgb";

/** A program that takes part. */
export interface Entry {
  readonly id: string;
  readonly name: string;
  readonly pixels: Pixels;
  readonly command: readonly [string, ...string[]];
}

export interface Contestant {
  readonly entry: Entry;
  open(clip: ClipFile): Promise<Report>;
  look(frame: number, serial: number): Promise<Report>;
  /** What its process had used at its last answer, in milliseconds. */
  cpuMs(): number;
  /** Peak of the resident memory so far, in MiB. */
  peakRssMiB(): number;
  /** Ends it, and waits until it is gone. */
  stop(): Promise<void>;
}

/** What an answer may take, in milliseconds: the first includes loading TensorFlow from a cold disk. */
const ANSWER_WITHIN = 120_000;
const END_WITHIN = 10_000;

/**
 * Starts a contestant.
 *
 * @param environment what it gets beside the runner's own: where the broker is, and what to call itself.
 */
export function startContestant(entry: Entry, environment: NodeJS.ProcessEnv): Contestant {
  const [program, ...args] = entry.command;
  const child = spawn(program, args, {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, ...environment },
  });
  let words = "";
  child.stderr.on("data", (text: Buffer) => {
    words = (words + text.toString()).slice(-4000);
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  let failure: Error | undefined;
  let cpuMs = 0;
  child.on("error", (error) => {
    failure = error;
  });
  // A contestant that is gone is reported where its answer is missing.
  child.stdin.on("error", () => undefined);

  async function ask(order: Order): Promise<Report> {
    child.stdin.write(`${JSON.stringify(order)}\n`);
    const answer = await within(lines.next(), ANSWER_WITHIN);
    if (answer === null)
      throw new Error(`${entry.name} does not answer within ${ANSWER_WITHIN / 1000} s:\n${words}`);
    if (answer.done === true) throw new Error(`${entry.name} ended: ${failure?.message ?? words}`);
    const report = parseReport(answer.value);
    cpuMs = report.cpuMs;
    return report;
  }

  return {
    entry,
    open: (clip) => ask({ open: clip }),
    look: (frame, serial) => ask({ frame, serial }),
    cpuMs: () => cpuMs,
    peakRssMiB: () => peakRssMiB(child.pid ?? 0),
    stop: () => stop(child),
  };
}

/** VmHWM of a process, in MiB. */
export function peakRssMiB(pid: number): number {
  const kibibytes = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kibibytes) / 1024;
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.stdin?.end();
  if ((await within(gone, END_WITHIN)) !== null) return;
  child.kill("SIGKILL");
  await gone;
}

/** @returns null when the time is over first */
async function within<T>(promise: Promise<T>, milliseconds: number): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), milliseconds);
  });
  try {
    return await Promise.race([promise, over]);
  } finally {
    clearTimeout(timer);
  }
}
