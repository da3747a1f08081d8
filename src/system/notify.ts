import { execFile } from "node:child_process";
import { promisify } from "node:util";
import systemdNotify from "systemd-notify";
import type { Logger } from "../base/log.js";

/** What the daemon tells the service manager; every call returns at once and none throws. */
export interface ServiceNotifier {
  /** The first frame has gone through, or a reload is done. */
  ready(): void;
  /** The line that `systemctl status` shows. Sent at most every few seconds; the newest text is never lost. */
  status(text: string): void;
  stopping(): void;
  reloading(): void;
  /** One sign of life, which also prolongs a start that waits for its first frame. Only the watchdog calls this. */
  watchdog(): void;
  /** Resolves when everything said so far has been sent, or given up. */
  settled(): Promise<void>;
}

const STATUS_INTERVAL_MS = 5000;
/** The program waits for PID 1 to take the message; a busy one must not hold up the next message for ever. */
const PATIENCE_MS = 5000;
const MAX_UNANSWERED = 3;
const MAX_WAITING = 16;
/** How long a start may go on after a sign of life: without a camera it takes for ever, but a hung one is ended. */
const START_EXTENSION_US = 60_000_000;

const run = promisify(execFile);

type Message = "ready" | "stopping" | "reloading" | "watchdog" | "status";

/**
 * Speaks to systemd through its own program, run by the npm package `systemd-notify` where that knows the message
 * (READY, STATUS) and directly where it does not. The sender is a child, so the unit needs `NotifyAccess=all`.
 * Without $NOTIFY_SOCKET every call does nothing.
 */
export function createServiceNotifier(options: {
  readonly env?: NodeJS.ProcessEnv;
  readonly logger: Logger;
  readonly statusIntervalMs?: number;
}): ServiceNotifier {
  const { env = process.env, logger, statusIntervalMs = STATUS_INTERVAL_MS } = options;
  if (!env.NOTIFY_SOCKET) return silent;

  const waiting: Message[] = [];
  let statusText = "";
  let statusSent = "";
  let lastStatus = Number.NEGATIVE_INFINITY;
  let statusTimer: NodeJS.Timeout | undefined;
  let sending: Promise<void> | undefined;
  let unanswered = 0;
  let started = false;

  function say(message: Message): void {
    // A message that still waits says it already; READY after RELOADING is a different state, and keeps its place.
    if (waiting.at(-1) === message || waiting.length >= MAX_WAITING) return;
    if ((message === "status" || message === "watchdog") && waiting.includes(message)) return;
    waiting.push(message);
    sending ??= sendAll().finally(() => {
      sending = undefined;
    });
  }

  async function sendAll(): Promise<void> {
    for (let message = waiting.shift(); message !== undefined; message = waiting.shift()) {
      if (unanswered >= MAX_UNANSWERED) {
        logger.warn({ message }, "systemd-notify does not return; message dropped");
        continue;
      }
      await patiently(send(message), message);
    }
  }

  async function patiently(sent: Promise<unknown>, message: Message): Promise<void> {
    unanswered += 1;
    const outcome = sent
      .catch((error: unknown) => {
        logger.warn({ message, reason: String(error) }, "systemd was not told");
      })
      .finally(() => {
        unanswered -= 1;
      });
    const { promise: tooLong, resolve } = withResolvers();
    const timer = setTimeout(resolve, PATIENCE_MS);
    await Promise.race([outcome, tooLong]);
    clearTimeout(timer);
  }

  function send(message: Message): Promise<unknown> {
    switch (message) {
      case "ready":
        return systemdNotify({ ready: true });
      case "status":
        lastStatus = performance.now();
        statusSent = statusText;
        return systemdNotify({ status: statusText });
      case "watchdog":
        return tell("WATCHDOG=1", ...(started ? [] : [`EXTEND_TIMEOUT_USEC=${START_EXTENSION_US}`]));
      default:
        return tell(`${message.toUpperCase()}=1`);
    }
  }

  const tell = (...assignments: string[]) => run("systemd-notify", assignments, { timeout: PATIENCE_MS });

  return {
    ready() {
      started = true;
      say("ready");
    },
    stopping() {
      // From here on it is the stop that would be prolonged.
      started = true;
      say("stopping");
    },
    reloading: () => say("reloading"),
    watchdog: () => say("watchdog"),
    status(text) {
      statusText = text.replace(/\s+/g, " ").trim().slice(0, 200);
      if (statusText === statusSent || statusTimer !== undefined) return;
      const wait = lastStatus + statusIntervalMs - performance.now();
      if (wait <= 0) return say("status");
      statusTimer = setTimeout(() => {
        statusTimer = undefined;
        if (statusText !== statusSent) say("status");
      }, wait);
      statusTimer.unref();
    },
    settled: () => sending ?? Promise.resolve(),
  };
}

/** Promise.withResolvers, which Node 20 lacks. */
function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

const silent: ServiceNotifier = {
  ready() {},
  status() {},
  stopping() {},
  reloading() {},
  watchdog() {},
  settled: () => Promise.resolve(),
};
