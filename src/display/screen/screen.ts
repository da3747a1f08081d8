import { type ChildProcess, execFile, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { constants, setPriority } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import type { Logger } from "../../base/logger.js";
import { type DisplayFault, explain, fault, MISSING_TOOL, noPermission } from "./fault.js";
import { isPluggedIn, type Machine, type Probe, probe, THIS_MACHINE } from "./monitor.js";
import {
  AUTO_ORDER,
  canvasFor,
  DEFAULT_CANVAS,
  type GStreamerVersion,
  isModern,
  LARGEST_CANVAS,
  launchArguments,
  type Output,
  parseVersion,
  type Sink,
} from "./sink.js";
import { xScreenSize } from "./xscreen.js";

/** Milliseconds. */
export interface ScreenTimes {
  /** First and longest pause before another try. */
  readonly firstBackoff: number;
  readonly longestBackoff: number;
  /** A child that has shown pictures for this long starts the backoff anew. */
  readonly healthyAfter: number;
  /** How often connectors are looked at: while one is shown on, and while none is there. */
  readonly plugPoll: number;
  /** A child that takes no picture for this long is ended and started again. */
  readonly stuckAfter: number;
  /** The same for its first picture: at its first start GStreamer looks through all its plugins. */
  readonly firstPictureWithin: number;
  /** What a child is given to end by itself, and then after TERM. */
  readonly stopGrace: number;
}

export const SCREEN_TIMES: ScreenTimes = {
  firstBackoff: 1000,
  longestBackoff: 30_000,
  healthyAfter: 10_000,
  plugPoll: 2000,
  stuckAfter: 10_000,
  firstPictureWithin: 90_000,
  stopGrace: 700,
};

export interface ScreenOptions {
  readonly sink: Exclude<Sink, { kind: "none" }>;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** Called when a child has started for an output, before anything is offered: the first picture, to preroll on. */
  readonly onOpen: (output: Output) => void;
  /** Called when the child has flushed a picture: the buffer that was offered is the caller's again. */
  readonly onFlushed?: () => void;
  readonly launcher?: string;
  readonly machine?: Machine;
  readonly times?: ScreenTimes;
}

export type ScreenState = "starting" | "showing" | "waiting" | "stopped";

/**
 * A monitor behind a child process. It holds one picture at most: the one that is on its way. A child that is slow,
 * stopped or gone therefore costs nothing but the pictures it misses.
 */
export interface Screen {
  /** Whether a picture offered now would be taken. */
  ready(): boolean;
  /** Sends a picture, or drops it if the one before has not been flushed. The buffer is in use until it is. */
  offer(pixels: Buffer): boolean;
  readonly state: ScreenState;
  readonly output: Output | undefined;
  readonly fault: DisplayFault | undefined;
  readonly counts: { readonly shown: number; readonly dropped: number; readonly starts: number };
  /** The child's process id, for as long as there is one. */
  readonly pid: number | undefined;
  /** Settles when the first try has either shown a picture or failed on every output. */
  readonly settled: Promise<void>;
  /** Settles when the child is gone after the signal, or has been given up. */
  readonly done: Promise<void>;
}

/** Starts showing on a sink, and goes on trying, until the signal. Never throws. */
export function createScreen(options: ScreenOptions): Screen {
  const { sink, logger, signal } = options;
  const times = options.times ?? SCREEN_TIMES;
  const machine = options.machine ?? THIS_MACHINE;
  const launcher = options.launcher ?? "gst-launch-1.0";

  let state: ScreenState = "starting";
  let output: Output | undefined;
  let lastFault: DisplayFault | undefined;
  let player: Player | undefined;
  let version: GStreamerVersion | undefined;
  const counts = { shown: 0, dropped: 0, starts: 0 };
  let settle: () => void = () => undefined;
  const settled = new Promise<void>((resolve) => {
    settle = resolve;
  });

  /** Logs a fault once, however often it comes again. */
  const tell = (found: DisplayFault) => {
    if (found.message !== lastFault?.message) {
      const quietly = sink.kind === "auto";
      logger[quietly ? "info" : "warn"]({ display: sink.kind, fault: found.code }, found.message);
    }
    lastFault = found;
  };

  const candidates = (): Probe[] => {
    if (sink.kind === "custom") {
      return [{ output: { kind: "custom", canvas: DEFAULT_CANVAS, pipeline: sink.pipeline } }];
    }
    return sink.kind === "auto"
      ? AUTO_ORDER.map((name) => probe(name, machine))
      : [probe(sink.kind, machine)];
  };

  /** An X screen's size takes a connection to learn. */
  const sized = async (found: Output): Promise<Output> => {
    if (found.kind !== "x11") return found;
    const size = await xScreenSize(machine.env, signal);
    return size === undefined ? found : { ...found, canvas: canvasFor(size, LARGEST_CANVAS) };
  };

  const run = async (): Promise<void> => {
    let backoff = times.firstBackoff;
    while (!signal.aborted) {
      version ??= await versionOf(launcher);
      if (signal.aborted) return;
      let launched = false;
      let healthy = false;
      if (version === undefined) tell(MISSING_TOOL);
      else {
        for (const candidate of candidates()) {
          if ("fault" in candidate) {
            // What auto does not find is no fault; only that it finds nothing at all is told, below.
            if (sink.kind !== "auto") tell(candidate.fault);
            continue;
          }
          launched = true;
          const target = await sized(candidate.output);
          if (signal.aborted) return;
          const end = await play(target, version);
          if (signal.aborted) return;
          healthy = end.shownFor >= times.healthyAfter;
          tell(end.fault);
          // A sink that worked is the first to be tried again.
          if (end.shownFor > 0) break;
        }
      }
      if (!launched && sink.kind === "auto" && version !== undefined) tell(NOTHING_FOUND);
      state = "waiting";
      output = undefined;
      settle();
      if (healthy) backoff = times.firstBackoff;
      // A look at the connectors costs nothing: a monitor that is plugged in should not wait for a long backoff.
      await pause(launched || version === undefined ? backoff : times.plugPoll, signal);
      if (launched && !healthy) backoff = Math.min(backoff * 2, times.longestBackoff);
    }
  };

  const play = async (target: Output, gstreamer: GStreamerVersion) => {
    state = "starting";
    output = target;
    counts.starts++;
    const child = launch(launcher, target, gstreamer, machine);
    if ("fault" in child) return { fault: child.fault, shownFor: 0 };
    let shownSince: number | undefined;
    player = createPlayer(child, {
      onShowing: () => {
        shownSince = performance.now();
        state = "showing";
        lastFault = undefined;
        logger.info({ display: target.kind, ...target.canvas }, "the picture is on the display");
        settle();
      },
      onFlushed: () => {
        counts.shown++;
        options.onFlushed?.();
      },
    });
    options.onOpen(target);
    const showingFor = () => (shownSince === undefined ? null : performance.now() - shownSince);
    const end = await watch(player, target, times, showingFor, signal);
    player = undefined;
    const shownFor = shownSince === undefined ? 0 : Math.max(1, performance.now() - shownSince);
    return { fault: end ?? explain(child.stderr(), target.kind), shownFor };
  };

  const done = run()
    .catch((error: unknown) => {
      logger.error({ err: error }, "the display has failed; the rest goes on without it");
    })
    .finally(() => {
      state = "stopped";
      output = undefined;
      settle();
    });

  return {
    ready: () => player?.ready() ?? false,
    offer: (pixels) => {
      const taken = player?.offer(pixels) ?? false;
      if (!taken) counts.dropped++;
      return taken;
    },
    get state() {
      return state;
    },
    get output() {
      return output;
    },
    get fault() {
      return lastFault;
    },
    get pid() {
      return player?.pid;
    },
    counts,
    settled,
    done,
  };
}

const UNPLUGGED = fault(
  "no-monitor",
  "the monitor was unplugged: the picture comes back when it is plugged in",
);

const STUCK = fault("stuck", "the display takes no pictures: its process is ended and started again");

const NOTHING_FOUND = fault(
  "no-monitor",
  "no display was found (no monitor, no Wayland, no X, no framebuffer); it is looked for again every few seconds",
);

const execFileAsync = promisify(execFile);

/** Loading GStreamer from a slow card takes a while; a tool that is not there says so at once. */
const VERSION_PATIENCE = 60_000;

async function versionOf(launcher: string): Promise<GStreamerVersion | undefined> {
  try {
    const { stdout } = await execFileAsync(launcher, ["--version"], { timeout: VERSION_PATIENCE });
    return parseVersion(stdout) ?? { major: 1, minor: 0 };
  } catch {
    return undefined;
  }
}

interface Launched {
  readonly process: ChildProcess;
  readonly stderr: () => string;
  readonly onPlaying: (listener: () => void) => void;
}

function launch(
  launcher: string,
  output: Output,
  gstreamer: GStreamerVersion,
  machine: Machine,
): Launched | { fault: DisplayFault } {
  let device: number | undefined;
  try {
    if (output.kind === "kms" && isModern(gstreamer)) device = openSync(output.card, "r+");
  } catch {
    return { fault: output.kind === "kms" ? noPermission(output.card) : MISSING_TOOL };
  }
  try {
    const child = spawn(launcher, launchArguments(output, { gstreamer }), {
      stdio: ["pipe", "pipe", "pipe", ...(device === undefined ? [] : [device])],
      env: childEnvironment(machine.env),
    });
    return follow(child);
  } finally {
    // The child has its own copy; with ours open, the DRM device would stay taken after the child's end.
    if (device !== undefined) closeSync(device);
  }
}

/** Enough for any message; a sink that complains about every picture must not fill the memory. */
const STDERR_KEPT = 8192;

function follow(child: ChildProcess): Launched {
  let stderr = "";
  let stdout = "";
  let playing: (() => void) | undefined;
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr = (stderr + text).slice(-STDERR_KEPT);
  });
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    if (playing === undefined) return;
    stdout = (stdout + text).slice(-STDERR_KEPT);
    if (!stdout.includes("PLAYING")) return;
    playing();
    playing = undefined;
  });
  // A child that is gone breaks the pipe; its exit tells.
  child.stdin?.on("error", () => undefined);
  child.on("error", () => undefined);
  if (child.pid !== undefined) {
    try {
      // When processors are short, the picture waits and the faces do not.
      setPriority(child.pid, constants.priority.PRIORITY_LOW);
    } catch {
      // It has ended already, or a sandbox stricter than the unit's forbids it: a picture at full priority is better than
      // none.
    }
  }
  return {
    process: child,
    stderr: () => stderr,
    onPlaying: (listener) => {
      playing = listener;
    },
  };
}

/** The child's environment: nothing of ours that it has no need of, and messages in English, which are read. */
function childEnvironment(env: Machine["env"]): NodeJS.ProcessEnv {
  const kept = Object.fromEntries(
    Object.entries(env).filter(
      ([name]) =>
        !name.startsWith("EMOTIOND_") && name !== "CREDENTIALS_DIRECTORY" && name !== "NOTIFY_SOCKET",
    ),
  );
  const cache = env.CACHE_DIRECTORY ?? env.STATE_DIRECTORY ?? env.RUNTIME_DIRECTORY;
  return {
    ...kept,
    LC_ALL: "C",
    LANGUAGE: "C",
    // kmssink and waylandsink tell the reason of a failure in their log only.
    GST_DEBUG: "*:1,kmssink:2,waylandsink:2,wl_display:2,fbdevsink:2",
    GST_DEBUG_NO_COLOR: "1",
    // Without a home to keep it in, GStreamer would look through all its plugins at every start.
    ...(cache === undefined
      ? {}
      : { GST_REGISTRY: join(cache.split(":")[0] ?? cache, "gstreamer-registry.bin") }),
  };
}

interface Player {
  ready(): boolean;
  offer(pixels: Buffer): boolean;
  /** Milliseconds since the picture that is on its way was offered; 0 when none is. */
  pendingFor(): number;
  readonly pid: number | undefined;
  readonly process: ChildProcess;
  readonly exited: Promise<void>;
}

function createPlayer(
  launched: Launched,
  hooks: { readonly onShowing: () => void; readonly onFlushed: () => void },
): Player {
  const { process: child } = launched;
  let pendingSince: number | undefined;
  let gone = false;
  const end = () => {
    gone = true;
  };
  child.once("exit", end);
  child.once("error", end);
  launched.onPlaying(hooks.onShowing);
  const ready = () => !gone && pendingSince === undefined && child.stdin?.writable === true;
  return {
    ready,
    offer: (pixels) => {
      if (!ready()) return false;
      pendingSince = performance.now();
      child.stdin?.write(pixels, (error) => {
        pendingSince = undefined;
        if (error === undefined || error === null) hooks.onFlushed();
      });
      return true;
    },
    pendingFor: () => (pendingSince === undefined ? 0 : performance.now() - pendingSince),
    pid: child.pid,
    process: child,
    exited: new Promise((resolve) => {
      // `close` comes after `exit`, when all of stderr has been read; a child that could not start has neither.
      child.once("close", () => resolve());
      child.once("error", () => {
        if (child.pid === undefined) resolve();
      });
    }),
  };
}

/** Waits for the child's end, and brings it about when it is stuck, unplugged or no longer wanted. */
async function watch(
  player: Player,
  output: Output,
  times: ScreenTimes,
  showingFor: () => number | null,
  signal: AbortSignal,
): Promise<DisplayFault | undefined> {
  let exited = false;
  // One signal for both ends of the wait: racing promises in a loop would pile up on the one that lasts.
  const over = new AbortController();
  const wake = () => over.abort();
  signal.addEventListener("abort", wake, { once: true });
  const exit = player.exited.then(() => {
    exited = true;
    wake();
  });
  if (signal.aborted) wake();
  const interval = Math.min(times.plugPoll, times.stuckAfter / 2);
  let found: DisplayFault | undefined;
  while (!over.signal.aborted && found === undefined) {
    await pause(interval, over.signal);
    if (over.signal.aborted) break;
    if (!isPluggedIn(output)) found = UNPLUGGED;
    else if (isStuck(player.pendingFor(), showingFor(), times)) found = STUCK;
  }
  signal.removeEventListener("abort", wake);
  if (!exited) await end(player, exit, found === STUCK ? 0 : times.stopGrace);
  // A second child beside one that the kernel holds would only be held as well: wait, unless we are told to stop.
  if (!exited && !signal.aborted) await Promise.race([exit, aborted(signal)]);
  return found;
}

/** A first picture that waited for GStreamer to be ready is read from then on, and is no older for having waited. */
function isStuck(pending: number, showing: number | null, times: ScreenTimes): boolean {
  return showing === null
    ? pending > times.firstPictureWithin
    : Math.min(pending, showing) > times.stuckAfter;
}

/** End of input lets GStreamer give the monitor back as it was; then TERM, then KILL. */
async function end(player: Player, exit: Promise<void>, grace: number): Promise<void> {
  const { process: child } = player;
  const within = (time: number) => Promise.race([exit.then(() => true), delay(time, false, { ref: false })]);
  child.stdin?.destroy();
  if (grace > 0 && (await within(grace))) return;
  child.kill("SIGTERM");
  if (grace > 0 && (await within(grace))) return;
  child.kill("SIGKILL");
  await within(1000);
}

const aborted = (signal: AbortSignal) =>
  new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });

/** Waits, and ends early without an error when the signal comes. */
async function pause(time: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(time, undefined, { signal, ref: false });
  } catch {
    // Told to stop.
  }
}
