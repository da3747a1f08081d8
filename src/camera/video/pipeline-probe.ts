import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { addonFile, cv } from "../../base/opencv.js";
import { secretsIn, withoutSecrets } from "../../base/secrets.js";
import { CameraError } from "../camera.js";

/** How long a source may take for its first frame, in milliseconds: less than the supervisor gives an attempt. */
export const SILENT_AFTER = 10_000;

/** Sources that wait for a peer: it would have to connect anew after the probe, and may not. */
export const WAITS_FOR_PEER = /(^|[\s(])(fdsrc|tcpserversrc|srtserversrc|whipserversrc)\s|\bmode="?listener/;

/**
 * The child: readies GStreamer, whose first start looks through its plugins for up to minutes, and must not be cut
 * short; says so; and opens what it is then given, if anything. No argument holds the pipeline: every user of the
 * machine could read the password in it.
 */
const PROBE = `
process.on("SIGUSR1", () => {});
const [, addon, backend] = process.argv;
const { VideoCapture } = require(addon);
try { new VideoCapture("fakesrc num-buffers=1 ! appsink", Number(backend)).release(); } catch {}
require("node:fs").writeSync(1, "ready");
const pipeline = require("node:fs").readFileSync(0, "utf8");
if (pipeline !== "") {
  try { new VideoCapture(pipeline, Number(backend)).release(); } catch { process.exitCode = 1; }
}
`;

export const PIPELINE_END = "`videoconvert ! video/x-raw,format=BGR ! appsink`";
export const PIPELINE_CURE = `try it with gst-launch-1.0 and fakesink; it must end in ${PIPELINE_END}`;

/**
 * @param build OpenCV's build information
 * @throws CameraError with the cure where OpenCV opens no pipelines at all
 */
export function needGStreamer(description: string, build: string): void {
  if (/GStreamer:\s+YES/.test(build)) return;
  throw new CameraError(
    `${description}: this OpenCV is built without GStreamer and opens no pipelines; install the distribution's OpenCV, or set source.uri to a device or a stream`,
  );
}

export interface PipelineProbe {
  readonly pipeline: string;
  readonly description: string;
  /** Milliseconds between frames. */
  readonly interval?: number;
}

/**
 * Makes sure that a live pipeline has a first frame. OpenCV waits for it without limit while it opens one, and its
 * bindings open on the main thread alone: a silent source would stop every timer and signal of the daemon. So a child
 * of its own tries first, with the very code that will open it here, and can be killed. An appsink that does not wait
 * (`async=false`) would be quicker, but then the first read hangs in this process, holds the source, and is never over.
 *
 * @returns false where the signal aborted, and where nothing can be known
 * @throws CameraError with the cure
 */
export async function probePipeline(
  { pipeline, description, interval = 0 }: PipelineProbe,
  signal: AbortSignal,
): Promise<boolean> {
  if (WAITS_FOR_PEER.test(pipeline) || signal.aborted) return false;
  const child = spawn(process.execPath, ["-e", PROBE, addonFile, String(cv.CAP_GSTREAMER)], {
    stdio: ["pipe", "pipe", "pipe"],
    // OpenCV tells what an element reports, GStreamer's parser what it cannot read.
    env: {
      ...process.env,
      OPENCV_LOG_LEVEL: "WARNING",
      GST_DEBUG: "GST_PIPELINE:1",
      GST_DEBUG_NO_COLOR: "1",
      GST_DEBUG_FILE: "",
    },
  });
  let words = "";
  child.stderr.on("data", (text: Buffer) => {
    words = (words + text.toString()).slice(-8_000);
  });
  // Gone before it was told what to do.
  child.stdin.on("error", () => undefined);
  // Its last words included. A child that cannot be started emits it, too.
  const exit = new Promise<number | null>((resolve) => {
    child.on("error", () => undefined).on("close", (code) => resolve(code));
  });

  const ready = await Promise.race([
    once(child.stdout, "data").then(
      () => true,
      () => false,
    ),
    exit.then(() => false),
    abortOf(signal).then(() => false),
  ]);
  if (!ready) {
    child.stdin.end();
    return false;
  }
  child.stdin.end(pipeline);
  const within = Math.max(SILENT_AFTER, 2 * interval);
  const outcome = await withinTime(exit, within, signal);
  if (outcome === "late" || outcome === "aborted") await kill(child, exit);
  if (outcome === "aborted") return false;
  if (outcome === 0) return true;
  // Refused, or it crashed the child: it would crash the daemon as well.
  const reason = reasonIn(words, pipeline);
  const said = reason === "" ? "" : ` (GStreamer says: ${reason})`;
  throw new CameraError(
    outcome === "late"
      ? `${description} is silent: no frame within ${within / 1000} s${said}; check that its source is on and sends, and source.uri`
      : `the pipeline ${description} does not start${said}: ${PIPELINE_CURE}`,
  );
}

async function kill(child: ChildProcess, exit: Promise<unknown>): Promise<void> {
  child.kill("SIGKILL");
  // Until it is gone it holds the camera. Stuck in the kernel, it will not go.
  await withinTime(exit, 1_000, new AbortController().signal);
}

function withinTime<T>(
  promise: Promise<T>,
  milliseconds: number,
  signal: AbortSignal,
): Promise<T | "late" | "aborted"> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<"late">((resolve) => {
    timer = setTimeout(() => resolve("late"), milliseconds);
  });
  const aborted = abortOf(signal).then(() => "aborted" as const);
  return Promise.race([promise, late, aborted]).finally(() => clearTimeout(timer));
}

function abortOf(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

const REASONS =
  / GST_PIPELINE .*?\d:\w+: ([^\n]+)|GStreamer warning: Embedded video playback halted; module ([^\n]+)/g;
const PROPERTIES = /([\w:-]+)\s*=\s*("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|(?:\\.|[^\s\\])+)/gs;
const PRIVATE = /location|ur[il]|user|pass|pw|secret|token|key|auth|cookie|header/i;

/** What GStreamer says against a pipeline, without addresses, users and passwords. */
export function reasonIn(words: string, pipeline: string): string {
  const reasons = [...words.matchAll(REASONS)].map(([, parser, element]) => (parser ?? element ?? "").trim());
  // What follows from the first ones says less. A property's value may be anything.
  const reason = [...new Set(reasons)]
    .slice(0, 2)
    .join(" | ")
    .replace(/ to ".*?"(?= \||$)/g, "");
  return withoutPipelineSecrets(reason, pipeline);
}

/** Words of GStreamer's without addresses, users and passwords. */
export function withoutPipelineSecrets(words: string, pipeline: string): string {
  let left = words;
  for (const [, name = "", quoted = ""] of pipeline.matchAll(PROPERTIES)) {
    const value = quoted.replace(/^(["'])(.*)\1$/s, "$2");
    if (PRIVATE.test(name) && value !== "") left = left.replaceAll(value, "…");
  }
  return withoutSecrets(left, secretsIn(pipeline)).replace(/[a-z][a-z0-9+.-]*:\/\/\S+/gi, "…");
}
