import { backoffDelay } from "../base/backoff.js";
import { type Clock, monotonicClock, settledWithin, sleep } from "../base/clock.js";
import { type Logger, silentLogger } from "../base/logger.js";
import { withoutSecrets } from "../base/secrets.js";
import { type Camera, CameraError, type CameraStatus } from "./camera.js";
import type { Frame } from "./frame.js";
import { createFrameRate } from "./frame-rate.js";

/** The camera's part of the `health` message. */
export interface CameraHealth {
  readonly status: CameraStatus;
  /** Frames a second of late; 0 as soon as the status is anything but `running`. */
  readonly fps: number;
  /** Seconds since the last frame; null before the first. */
  readonly lastFrameAge: number | null;
  readonly restarts: number;
  /** Why the last attempt failed; null when none did. */
  readonly lastError: string | null;
}

export interface CameraSupervisor {
  /**
   * Keeps the camera running until its source ends (`ended`) or the signal aborts: `stopped`, or `abandoned` when the
   * camera did not stop in time and may still be open. Never rejects: a camera that fails is tried again for as long as
   * the daemon lives. One run at a time; after one that was stopped another may follow, and begins as the first did.
   */
  run(signal: AbortSignal): Promise<"ended" | "stopped" | "abandoned">;
  health(): CameraHealth;
}

/** Times in milliseconds. */
export interface SupervisorTimes {
  /** How long the first frame of an attempt may take: a sensor's start, a network stream's first key frame. */
  readonly firstFrame: number;
  /** How long each later frame may take; while the pipeline holds the camera back, time stands still. */
  readonly nextFrame: number;
  /** How long an attempt may take to end before it is given up on. */
  readonly stop: number;
  /** The pause after the first failure; it doubles with each further one. */
  readonly backoff: number;
  readonly longestBackoff: number;
  /** An attempt that delivered frames this long was a good one: the backoff starts over. */
  readonly ranWell: number;
}

export const supervisorTimes: SupervisorTimes = {
  firstFrame: 15_000,
  nextFrame: 5_000,
  stop: 3_000,
  backoff: 1_000,
  longestBackoff: 30_000,
  ranWell: 10_000,
};

/** A camera that is asked for a frame every ten seconds has not stalled after five. */
const INTERVALS = 3;

export interface SupervisorOptions {
  readonly camera: Camera;
  /** Takes a frame, with its ownership: the slot's `put`. */
  readonly deliver: (frame: Frame) => Promise<void>;
  readonly log?: Logger;
  readonly times?: Partial<SupervisorTimes>;
  /** Frames were flowing and stopped: once each time, as soon as it is known. */
  readonly onLost?: (reason: string) => void;
  /** The first frame after a failure. */
  readonly onRecovered?: () => void;
  readonly clock?: Clock;
  /** 0 (inclusive) to 1, for the backoff's jitter. */
  readonly random?: () => number;
}

type Outcome =
  | { readonly kind: "ended" }
  | { readonly kind: "stopped" }
  | { readonly kind: "failed"; readonly reason: string; readonly deliveredFor: number };

/**
 * One owner of a camera's readiness, deadlines and restarts. The camera itself knows nothing of retries.
 */
export function superviseCamera(options: SupervisorOptions): CameraSupervisor {
  const { camera, deliver, onLost, onRecovered } = options;
  const log = options.log ?? silentLogger;
  const clock = options.clock ?? monotonicClock;
  const random = options.random ?? Math.random;
  const times: SupervisorTimes = { ...supervisorTimes, ...options.times };
  const limits = { first: times.backoff, cap: times.longestBackoff };

  let status: CameraStatus = "starting";
  let restarts = 0;
  let lastError: string | null = null;
  let lastFrameAt: number | undefined;
  /** Attempts that were given up on and go on all the same. */
  let lingering = 0;
  const rate = createFrameRate();

  /** From `running` to anything else: the figures and the listeners learn of it at once. */
  const leave = (next: CameraStatus, reason: string) => {
    const wasRunning = status === "running";
    status = next;
    rate.reset();
    if (wasRunning) onLost?.(reason);
  };

  const attempt = async (signal: AbortSignal): Promise<Outcome> => {
    status = "starting";
    const attemptEnd = new AbortController();
    const end = () => attemptEnd.abort();
    signal.addEventListener("abort", end, { once: true });

    let stalled: string | undefined;
    let firstFrameAt: number | undefined;
    let cancelDeadline = () => {};
    const expectFrameWithin = (least: number) => {
      const milliseconds = Math.max(least, INTERVALS * (camera.interval ?? 0));
      cancelDeadline();
      cancelDeadline = clock.after(milliseconds, () => {
        stalled = `no frame for ${milliseconds / 1000} s`;
        leave("stalled", stalled);
        // The reason tells the camera that it is not simply being stopped.
        attemptEnd.abort(new CameraError(stalled));
      });
    };

    const receive = async (frame: Frame): Promise<void> => {
      if (attemptEnd.signal.aborted) {
        // A late frame of an attempt that is over.
        frame.release();
        return;
      }
      cancelDeadline();
      lastFrameAt = clock.now();
      rate.add(lastFrameAt);
      if (firstFrameAt === undefined) {
        firstFrameAt = lastFrameAt;
        status = "running";
        if (lastError !== null) {
          log.info({ camera: camera.description, restarts }, "camera is back");
          onRecovered?.();
        } else {
          log.info({ camera: camera.description }, "camera is running");
        }
      }
      await orAborted(deliver(frame), attemptEnd.signal);
      if (!attemptEnd.signal.aborted) expectFrameWithin(times.nextFrame);
    };

    expectFrameWithin(Math.max(times.firstFrame, camera.firstFrame ?? 0));
    let ended = false;
    let failure: unknown;
    const running = Promise.resolve()
      .then(() => camera.run(receive, attemptEnd.signal))
      .then(
        () => {
          ended = !attemptEnd.signal.aborted;
        },
        (error: unknown) => {
          failure = error;
        },
      );

    await orAborted(running, attemptEnd.signal);
    cancelDeadline();
    const asked = attemptEnd.signal.aborted;
    if (asked && !(await settledWithin(running, times.stop, clock))) {
      lingering += 1;
      void running.then(() => {
        lingering -= 1;
      });
      log.warn(
        { camera: camera.description },
        `the camera did not stop within ${times.stop / 1000} s; going on without it`,
      );
      if (stalled !== undefined) stalled += ", and it could not be stopped";
    }
    // Frames that an attempt given up on still delivers are released by `receive`.
    end();
    signal.removeEventListener("abort", end);

    const deliveredFor = firstFrameAt === undefined ? 0 : (lastFrameAt ?? firstFrameAt) - firstFrameAt;
    if (signal.aborted) return { kind: "stopped" };
    // What the camera says is nearer to the cause than "no frame".
    if (failure !== undefined && stalled === undefined)
      return { kind: "failed", reason: say(failure), deliveredFor };
    if (stalled !== undefined) return { kind: "failed", reason: explain(stalled, failure), deliveredFor };
    return ended
      ? { kind: "ended" }
      : { kind: "failed", reason: "the camera stopped by itself", deliveredFor };
  };

  /** Tries again until an attempt ends otherwise than by a failure. */
  const untilOver = async (signal: AbortSignal): Promise<"ended" | "stopped"> => {
    let failures = 0;
    while (!signal.aborted) {
      const outcome = await attempt(signal);
      if (outcome.kind !== "failed") return outcome.kind;
      failures = outcome.deliveredFor >= times.ranWell ? 1 : failures + 1;
      leave("failed", outcome.reason);
      const pause = backoffDelay(failures, limits, random());
      const fields = { camera: camera.description, failures, retryIn: Math.round(pause) / 1000 };
      // The same failure again is worth a line at 1, 2, 4, 8 …, not at each attempt for weeks.
      const news = outcome.reason !== lastError || Number.isInteger(Math.log2(failures));
      if (news) log.warn(fields, `camera failed: ${outcome.reason}`);
      else log.debug(fields, `camera failed: ${outcome.reason}`);
      lastError = outcome.reason;
      await sleep(pause, signal, clock);
      if (!signal.aborted) restarts += 1;
    }
    return "stopped";
  };

  return {
    run: async (signal) => {
      const outcome = await untilOver(signal);
      rate.reset();
      if (outcome === "ended") return outcome;
      // What was wrong says nothing of the next run.
      status = "starting";
      lastError = null;
      return lingering > 0 ? "abandoned" : "stopped";
    },

    health: () => {
      const now = clock.now();
      return {
        status,
        fps: status === "running" ? rate.perSecond(now) : 0,
        lastFrameAge: lastFrameAt === undefined ? null : (now - lastFrameAt) / 1000,
        restarts,
        lastError,
      };
    },
  };
}

function explain(stalled: string, failure: unknown): string {
  return failure === undefined ? stalled : `${stalled}; ${say(failure)}`;
}

function say(failure: unknown): string {
  if (failure instanceof CameraError) return failure.message;
  // It goes into STATUS and onto the monitor, too.
  return withoutSecrets(failure instanceof Error ? `${failure.name}: ${failure.message}` : String(failure));
}

/** Waits for the promise, but not past the abort. */
function orAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const aborted = () => resolve();
    signal.addEventListener("abort", aborted, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", aborted));
  });
}
