/**
 * The program of a child process: opens a video with OpenCV, and hands its frames to the daemon. Opening and reading
 * may hold this process for as long as a server likes, or crash it; the daemon ends it. See capture-process.ts.
 */

import "../../base/no-inspector.js";
import { writeSync } from "node:fs";
import { open } from "node:fs/promises";
import { createRequire } from "node:module";
import { setImmediate as turn } from "node:timers/promises";
import type { Mat } from "../../base/opencv.js";
import { type CaptureMessage, type CaptureOrder, encodeMessage, MESSAGES_FD } from "./capture-protocol.js";
import { clockwiseTurn } from "./orientation.js";

/** The addon without its package: callbacks in place of promises, and a third of the time to load. */
interface Addon extends Omit<typeof import("@u4/opencv4nodejs").cv, "VideoCapture"> {
  readonly VideoCapture: new (address: string, backend: number) => Capture;
}

interface Capture {
  get(property: number): number;
  set(property: number, value: number): boolean;
  readAsync(done: (error: Error | null, picture: Mat) => void): void;
  release(): void;
}

/** OpenCV's numbers; the bindings do not name them all. */
const POS_MSEC = 0;
const FRAME_WIDTH = 3;
const FRAME_HEIGHT = 4;
const FPS = 5;
const FOURCC = 6;
const FRAME_COUNT = 7;
const FORMAT = 8;
const ORIENTATION_META = 48;
const ORIENTATION_AUTO = 49;

/** Reads in a row that may fail before it is the end: one for each damaged packet, or line of rubbish. */
const FAILING_READS = 300;
/** And for how long, in milliseconds: a host that has gone lets each wait. */
const FAILING_FOR = 2_000;

/** More frames a second are no frame rate but a time base. */
const CREDIBLE_RATE = 240;

/** A live source does not wait for longer for a daemon that is held up, in milliseconds: then it gets the newest frame. */
const HELD_BACK = 100;

const [, , addonFile = ""] = process.argv;
const cv = createRequire(import.meta.url)(addonFile) as Addon;
/** BGR, BGRx and grey pictures. */
const READABLE: readonly number[] = [cv.CV_8UC3, cv.CV_8UC4, cv.CV_8UC1];

function tell(message: CaptureMessage, picture?: Uint8Array): void {
  for (const bytes of encodeMessage(message, picture)) {
    for (let at = 0; at < bytes.length; ) at += writeSync(MESSAGES_FD, bytes, at);
  }
}

/** What the daemon wants: the order, then one frame for each byte; its end of the pipe closes with it. */
function listen() {
  let order: ((order: CaptureOrder) => void) | undefined;
  let text = "";
  let asked = 0;
  let gone = false;
  let heard: () => void = () => undefined;
  process.stdin.on("data", (bytes: Buffer) => {
    if (order === undefined) {
      asked += bytes.length;
    } else {
      text += bytes.toString();
      const [line, more] = text.split("\n");
      if (line === undefined || more === undefined) return;
      asked += more.length;
      order(JSON.parse(line) as CaptureOrder);
      order = undefined;
    }
    heard();
  });
  process.stdin.on("end", () => {
    gone = true;
    if (order !== undefined) process.exit();
    heard();
  });
  const ordered = new Promise<CaptureOrder>((resolve) => {
    order = resolve;
  });
  return {
    ordered,
    gone: () => gone,
    asked: () => asked,
    served: () => {
      asked -= 1;
    },
    /** Waits until the daemon asks for a frame or goes, and does that then. */
    heardWithin: async (milliseconds: number, then: () => void) => {
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        heard = resolve;
        if (Number.isFinite(milliseconds)) timer = setTimeout(resolve, milliseconds);
      });
      clearTimeout(timer);
      heard = () => undefined;
      then();
    },
  };
}

function openCapture({ kind, address, width, height, framerate }: CaptureOrder): Capture {
  const build = cv.getBuildInformation();
  const ffmpeg = kind === "stream" || /FFMPEG:\s+YES/.test(build) ? cv.CAP_FFMPEG : cv.CAP_ANY;
  const backend = { file: ffmpeg, stream: ffmpeg, device: cv.CAP_V4L2, pipeline: cv.CAP_GSTREAMER }[kind];
  const capture = new cv.VideoCapture(address, backend);
  if (kind === "device") {
    // Uncompressed, most USB cameras reach their frame rate at 640 × 480 only.
    if (width * height > 640 * 480) capture.set(FOURCC, Buffer.from("MJPG", "latin1").readInt32LE());
    capture.set(FRAME_WIDTH, width);
    capture.set(FRAME_HEIGHT, height);
    capture.set(FPS, framerate);
  }
  return capture;
}

/**
 * Reads pictures as they are. OpenCV goes on with the first picture's scaler when a stream changes its size, and hands
 * over a frozen picture, or two halves; so the pictures of an MJPEG stream are decoded one by one.
 */
function createSource(capture: Capture, { kind }: CaptureOrder) {
  const code = Buffer.alloc(4);
  code.writeInt32LE(capture.get(FOURCC));
  const undecoded = kind === "stream" && /^(mjp|jpeg)/i.test(code.toString("latin1"));
  const pictures = undecoded && capture.set(FORMAT, -1);
  const read = () =>
    new Promise<Mat | null>((resolve) => {
      capture.readAsync((error, picture) => resolve(error ? null : picture));
    });
  return async (): Promise<Mat | null> => {
    const picture = await read();
    if (picture === null || picture.empty) {
      picture?.release();
      return null;
    }
    if (!pictures) return picture;
    try {
      const decoded = cv.imdecode(picture.getData(), cv.IMREAD_COLOR);
      return decoded.empty ? null : decoded;
    } catch {
      return null;
    } finally {
      picture.release();
    }
  };
}

/** Turned, and scaled down to fit inside; the picture given becomes the function's own. */
function prepare(picture: Mat, degrees: number, { width, height }: CaptureOrder): Mat {
  const [cols, rows] = degrees % 180 === 0 ? [picture.cols, picture.rows] : [picture.rows, picture.cols];
  const scale = Math.min(width / cols, height / rows);
  let fitted = picture;
  if (scale < 1) {
    const size = new cv.Size(
      Math.max(1, Math.round(picture.cols * scale)),
      Math.max(1, Math.round(picture.rows * scale)),
    );
    fitted = picture.resize(size, 0, 0, cv.INTER_AREA);
    picture.release();
  }
  if (degrees === 0) return fitted;
  const code = { 90: cv.ROTATE_90_CLOCKWISE, 180: cv.ROTATE_180 }[degrees] ?? cv.ROTATE_90_COUNTERCLOCKWISE;
  const turned = fitted.rotate(code);
  fitted.release();
  return turned;
}

/**
 * GStreamer hands over what the pipeline makes: the planes of NV12 and I420 as one channel of half as many rows more,
 * a JPEG as one row. Taken for grey, the chroma would be part of the picture, and every box would be wrong.
 */
function unreadable(picture: Mat, capture: Capture, kind: CaptureOrder["kind"]): CaptureMessage | null {
  const expected = capture.get(FRAME_HEIGHT);
  const whole = kind !== "pipeline" || picture.type !== cv.CV_8UC1 || picture.rows === expected;
  if (whole && READABLE.includes(picture.type)) return null;
  return { kind: "unreadable", type: picture.type, width: picture.cols, height: picture.rows, expected };
}

interface Held {
  readonly picture: Mat;
  readonly seconds: number;
  readonly readAt: number;
}

async function play(order: CaptureOrder, daemon: ReturnType<typeof listen>): Promise<void> {
  // A named pipe is opened when somebody writes into it: here, where the wait can be given up.
  const held = order.kind === "file" ? await open(order.address) : undefined;
  let capture: Capture;
  try {
    capture = openCapture(order);
  } catch {
    tell({ kind: "unopened" });
    return;
  } finally {
    await held?.close();
  }
  const byFfmpeg = order.kind === "file" || order.kind === "stream";
  if (byFfmpeg) capture.set(ORIENTATION_AUTO, 0);
  const degrees = byFfmpeg ? clockwiseTurn(capture.get(ORIENTATION_META), cv.getBuildInformation()) : 0;
  tell({ kind: "opened", rate: capture.get(FPS), count: capture.get(FRAME_COUNT) });

  // GStreamer tells where the film is, some frames further than the picture: it is asked where no rate is known.
  const rate = capture.get(FPS);
  const timed = order.timed && (byFfmpeg || !(rate > 0 && rate <= CREDIBLE_RATE));
  const read = createSource(capture, order);
  let newest: Held | undefined;
  const send = () => {
    if (newest === undefined || daemon.asked() < 1 || daemon.gone()) return;
    const { picture, seconds, readAt } = newest;
    newest = undefined;
    daemon.served();
    const made = prepare(picture, degrees, order);
    const { cols, rows, channels } = made;
    tell({ kind: "frame", width: cols, height: rows, channels, seconds, readAt }, made.getData());
    made.release();
  };
  let size = "";
  let failing = 0;
  let failingSince = 0;
  let damaged = 0;
  while (!daemon.gone()) {
    const begun = performance.now();
    const picture = await read();
    if (picture === null) {
      if (failing === 0) failingSince = begun;
      failing += 1;
      if (!byFfmpeg || failing > FAILING_READS || performance.now() - failingSince > FAILING_FOR) break;
      // The daemon may have gone.
      await turn();
      continue;
    }
    damaged += failing;
    failing = 0;
    const problem = size === "" ? unreadable(picture, capture, order.kind) : null;
    const now = `${picture.cols} × ${picture.rows}`;
    if (size === "") size = now;
    if (problem !== null || (now !== size && !order.recorded)) {
      tell(problem ?? { kind: "resized", from: size, to: now });
      picture.release();
      capture.release();
      return;
    }
    newest?.picture.release();
    const readAt = Number(process.hrtime.bigint()) / 1e6;
    newest = { picture, seconds: timed ? capture.get(POS_MSEC) / 1000 : 0, readAt };
    send();
    if (newest !== undefined)
      await daemon.heardWithin(order.recorded ? Number.POSITIVE_INFINITY : HELD_BACK, send);
  }
  newest?.picture.release();
  capture.release();
  tell({ kind: "end", damaged });
}

const daemon = listen();
if (process.argv[3] === "pipeline") {
  // GStreamer's first start looks through its plugins for up to minutes.
  try {
    new cv.VideoCapture("fakesrc num-buffers=1 ! appsink", cv.CAP_GSTREAMER).release();
  } catch {
    // It is readied all the same.
  }
}
try {
  tell({ kind: "ready" });
  await play(await daemon.ordered, daemon);
  process.exit();
} catch (error) {
  // The daemon's end of the pipe is closed: nobody is left to tell.
  if ((error as NodeJS.ErrnoException).code !== "EPIPE") throw error;
  process.exit();
}
