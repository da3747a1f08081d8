import { hostname } from "node:os";
import type { Box } from "../base/box.js";
import type { Logger } from "../base/logger.js";
import { cv } from "../base/opencv.js";
import type { Frame } from "../camera/frame.js";
import { createBudget } from "./budget.js";
import { annotate, createMemory } from "./draw/annotate.js";
import { type Canvas, createCanvas, heightWithStrip, placeFrame, placePicture } from "./draw/canvas.js";
import { drawPlaceholder } from "./draw/placeholder.js";
import type { Scene } from "./scene.js";
import type { Machine } from "./screen/monitor.js";
import { createScreen, type Screen, type ScreenState, type ScreenTimes } from "./screen/screen.js";
import { NAMED_SINKS, parseSink } from "./screen/sink.js";

export interface DisplayOptions {
  readonly config: { readonly sink: string };
  readonly logger: Logger;
  readonly signal?: AbortSignal;
  /** Named in the placeholder. */
  readonly device?: string;
  readonly launcher?: string;
  readonly machine?: Machine;
  readonly times?: ScreenTimes;
}

export interface DisplayStatus {
  /** As configured or commanded. */
  readonly sink: string;
  readonly state: "off" | ScreenState;
  /** Which of the outputs it is: what `auto` has come to. */
  readonly output: string | null;
  readonly width: number | null;
  readonly height: number | null;
  /** What is wrong and the cure, or null. */
  readonly fault: string | null;
  readonly shown: number;
  readonly dropped: number;
  /** How often the child process was started. */
  readonly starts: number;
  readonly pid: number | null;
}

export type SetSinkResult = { readonly ok: true } | { readonly ok: false; readonly error: string };

/** The picture on a monitor. Nothing in it throws into the pipeline, and nothing waits for the monitor. */
export interface Display {
  /** Whether a frame would be shown now; ask before making a colour picture. Costs nothing. */
  wants(): boolean;
  /**
   * Shows a frame. The frame stays the caller's: it has to live until the promise settles, which it does as soon as
   * the picture has been copied (a millisecond or two, most of it on libuv's pool), and may be released then;
   * drawing and sending come after. Never rejects. A frame that is not wanted settles at once.
   */
  show(frame: Frame, scene: Scene): Promise<void>;
  /**
   * Shows why there is no picture, with a clock that goes on, until the next `show`. What comes before the first
   * colon is the headline: `no camera: /dev/video0 is gone, retrying`, or just `paused`.
   */
  placeholder(notice: string): void;
  /**
   * Changes the sink: to `none`, `auto`, a named one, or the pipeline that the configuration names. Another pipeline
   * is refused, since it could send pictures off the device. Where the new sink cannot show, the old one goes on.
   */
  setSink(sink: string): Promise<SetSinkResult>;
  /** Takes a new configuration in: its sink from now on, be it one that cannot show yet, and its pipeline allowed. */
  configure(config: DisplayOptions["config"]): Promise<void>;
  status(): DisplayStatus;
  /** Ends the child and gives the monitor back, within three seconds. */
  stop(): Promise<void>;
}

const PLACEHOLDER_EVERY = 1000;
/** How long a command waits for a sink to show that it works. */
const SWITCH_TIMEOUT = 8000;
const SNAPSHOT_HEIGHT = 720;
const JPEG_QUALITY = 85;

/** Starts the display; with the sink `none` it does nothing until `setSink`. */
export function createDisplay(options: DisplayOptions): Display {
  const { logger } = options;
  const device = options.device ?? hostname();

  let config = options.config;
  let sink = config.sink;
  let screen: Screen | undefined;
  let turnOff: AbortController | undefined;
  let canvas: Canvas | undefined;
  let drawing = false;
  let notBefore = 0;
  let notice: { title: string; detail: string } | undefined = {
    title: "starting",
    detail: "waiting for the camera",
  };
  let ticker: NodeJS.Timeout | undefined;
  let switching = 0;
  let lastChange: Promise<unknown> = Promise.resolve();
  let stopped = false;
  let lastError = "";
  const memory = createMemory();
  const budget = createBudget();

  const turnOn = (text: string): Screen | undefined => {
    const parsed = parseSink(text);
    sink = text;
    if (parsed.kind === "none" || stopped) return undefined;
    const controller = new AbortController();
    turnOff = controller;
    screen = createScreen({
      sink: parsed,
      logger,
      signal: controller.signal,
      onOpen: (output) => {
        canvas?.release();
        memory.sprites.clear();
        canvas = createCanvas(output.canvas.width, output.canvas.height);
        drawNotice();
      },
      ...(options.launcher === undefined ? {} : { launcher: options.launcher }),
      ...(options.machine === undefined ? {} : { machine: options.machine }),
      ...(options.times === undefined ? {} : { times: options.times }),
    });
    tick();
    return screen;
  };

  const shutDown = async () => {
    turnOff?.abort();
    turnOff = undefined;
    const ending = screen;
    screen = undefined;
    await ending?.done;
    canvas?.release();
    canvas = undefined;
    memory.sprites.clear();
  };

  /** Faults are told once each, and stay in here. */
  const guard = (error: unknown) => {
    const text = error instanceof Error ? error.message : String(error);
    if (text !== lastError) logger.warn({ err: error }, "a picture for the display failed");
    lastError = text;
  };

  const drawNotice = () => {
    if (canvas === undefined || drawing || screen?.ready() === false) return;
    const shown = notice ?? readNotice("starting: waiting for a picture");
    try {
      drawPlaceholder(canvas.mat, { ...shown, device, clock: timeOfDay() });
      screen?.offer(canvas.pixels);
    } catch (error) {
      guard(error);
    }
  };

  /** Keeps the notice's clock going: one that stands still looks like a daemon that does. */
  const tick = () => {
    clearInterval(ticker);
    ticker = setInterval(() => {
      if (notice !== undefined) drawNotice();
    }, PLACEHOLDER_EVERY).unref();
  };

  const wants = () =>
    screen !== undefined &&
    !drawing &&
    performance.now() >= notBefore &&
    screen.ready() &&
    canvas !== undefined;

  const show = async (frame: Frame, scene: Scene): Promise<void> => {
    const target = canvas;
    if (target === undefined || !wants()) return;
    const start = performance.now();
    drawing = true;
    notice = undefined;
    let place: Box;
    try {
      place = placeFrame(target, frame);
      await placePicture(target, await frame.picture(), place);
    } catch (error) {
      drawing = false;
      // A canvas that was replaced meanwhile is no fault.
      if (canvas === target) guard(error);
      return;
    }
    const copied = performance.now() - start;
    // Let the caller start the next frame's native work first: the drawing then runs beside it.
    setImmediate(() => {
      const drawStart = performance.now();
      try {
        // Since then another sink may have taken over, with a canvas of its own.
        if (canvas !== target) return;
        // Nor is a picture shown any more once there is a reason for none.
        if (notice !== undefined) return;
        annotate(target.mat, scene, { place, memory });
        screen?.offer(target.pixels);
      } catch (error) {
        guard(error);
      } finally {
        drawing = false;
        if (notice !== undefined) drawNotice();
        const cost = copied + performance.now() - drawStart;
        notBefore = start + budget.spend(cost);
      }
    });
  };

  /** One change of sink after another. */
  const change = <Result>(make: () => Promise<Result>): Promise<Result> => {
    switching++;
    const made = lastChange.then(make).finally(() => {
      switching--;
    });
    lastChange = made.catch(() => undefined);
    return made;
  };

  const setSink = async (text: string): Promise<SetSinkResult> => {
    const wanted = text.trim();
    const parsed = parseSink(wanted);
    if (parsed.kind === "custom" && wanted !== config.sink.trim()) {
      return {
        ok: false,
        error: `sink: must be none, auto, ${NAMED_SINKS.join(", ")}, or the pipeline that display.sink names`,
      };
    }
    if (stopped) return { ok: false, error: "the display has stopped" };
    if (switching > 0) return { ok: false, error: "another display command is being carried out" };
    if (wanted === sink.trim() && (screen?.state === "showing" || parsed.kind === "none"))
      return { ok: true };
    const carriedOut = change(async (): Promise<SetSinkResult> => {
      const before = sink;
      await shutDown();
      const next = turnOn(wanted);
      if (next === undefined) return { ok: true };
      await settledOrLate(next);
      if (next.state === "showing" || parsed.kind === "auto") return { ok: true };
      const error = next.fault?.message ?? "the display did not start in time";
      await shutDown();
      turnOn(before);
      return { ok: false, error };
    });
    return carriedOut.catch((error: unknown) => {
      guard(error);
      return { ok: false, error: error instanceof Error ? error.message : String(error) };
    });
  };

  const configure = (next: DisplayOptions["config"]): Promise<void> => {
    config = next;
    return change(async () => {
      await shutDown();
      turnOn(next.sink);
    });
  };

  const stop = async () => {
    stopped = true;
    clearInterval(ticker);
    await shutDown();
  };

  if (options.signal?.aborted) stopped = true;
  else {
    turnOn(config.sink);
    options.signal?.addEventListener("abort", () => void stop().catch(guard), { once: true });
  }

  return {
    wants,
    show,
    placeholder: (text) => {
      notice = readNotice(text);
      drawNotice();
    },
    setSink,
    configure,
    status: () => ({
      sink,
      state: screen?.state ?? "off",
      output: screen?.output?.kind ?? null,
      width: screen?.output?.canvas.width ?? null,
      height: screen?.output?.canvas.height ?? null,
      fault: screen?.fault?.message ?? null,
      shown: screen?.counts.shown ?? 0,
      dropped: screen?.counts.dropped ?? 0,
      starts: screen?.counts.starts ?? 0,
      pid: screen?.pid ?? null,
    }),
    stop,
  };
}

function readNotice(text: string): { title: string; detail: string } {
  const colon = text.indexOf(": ");
  return colon < 0
    ? { title: text, detail: "" }
    : { title: text.slice(0, colon), detail: text.slice(colon + 2) };
}

async function settledOrLate(screen: Screen): Promise<void> {
  let late: NodeJS.Timeout | undefined;
  await Promise.race([
    screen.settled,
    new Promise<void>((resolve) => {
      late = setTimeout(resolve, SWITCH_TIMEOUT);
    }),
  ]);
  clearTimeout(late);
}

/**
 * A JPEG of the annotated picture, at least 720 pixels high so that the writing is legible. The frame has to live
 * until the promise settles. Rejects where the picture cannot be made.
 */
export async function renderSnapshot(frame: Frame, scene: Scene): Promise<Buffer> {
  const scale = Math.max(1, SNAPSHOT_HEIGHT / frame.height);
  const height = Math.round(frame.height * scale);
  const width = Math.round(frame.width * scale);
  const canvas = createCanvas(width, heightWithStrip(height));
  try {
    const place: Box = { x: 0, y: 0, width, height };
    await placePicture(canvas, await frame.picture(), place);
    annotate(canvas.mat, scene, { place });
    return await cv.imencodeAsync(".jpg", canvas.mat, [cv.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]);
  } finally {
    canvas.release();
  }
}

function timeOfDay(): string {
  return new Date().toTimeString().slice(0, 8);
}
