import type { Logger } from "../base/log.js";
import type { ServiceNotifier } from "./notify.js";

/**
 * How far the pipeline has come: any number that grows with each frame that went all the way through, or `idle-ok`
 * while no frame can be expected (the camera is away and its supervisor is at work on it, or the owner paused).
 */
export type Progress = number | "idle-ok";

export interface Watchdog {
  stop(): void;
}

/**
 * The interval at which systemd wants signs of life, in milliseconds (half of WatchdogSec, as sd_watchdog_enabled(3)
 * advises), or undefined when it wants none from this process.
 */
export function watchdogInterval(
  env: NodeJS.ProcessEnv = process.env,
  pid: number = process.pid,
): number | undefined {
  const microseconds = Number(env.WATCHDOG_USEC);
  if (!Number.isFinite(microseconds) || microseconds <= 0) return undefined;
  if (env.WATCHDOG_PID !== undefined && Number(env.WATCHDOG_PID) !== pid) return undefined;
  return microseconds / 2000;
}

/**
 * Tells systemd that the daemon lives, as long as frames go through. A bare timer would pat on while the pipeline
 * hangs, and a watchdog tied to the broker would restart the device when the Wi-Fi fails: neither is asked here. A
 * missing camera is no reason to restart either, as a restart would not bring it back.
 */
export function startWatchdog(options: {
  readonly notifier: Pick<ServiceNotifier, "watchdog">;
  readonly intervalMs: number | undefined;
  readonly progress: () => Progress;
  readonly logger: Logger;
}): Watchdog {
  const { notifier, intervalMs, progress, logger } = options;
  if (intervalMs === undefined) return { stop() {} };

  let last: Progress = "idle-ok";
  const timer = setInterval(() => {
    const now = progress();
    if (now === "idle-ok" || now !== last) notifier.watchdog();
    else logger.error({ frames: now }, "no frame went through; systemd will restart the service");
    last = now;
  }, intervalMs);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}
