import { availableParallelism } from "node:os";
import { cv } from "../base/opencv.js";
import type { Config } from "../config/schema.js";
import type { EndReason } from "../events/schema.js";
import { passwordInTheClear, readMqttCredentials } from "../mqtt/credentials.js";
import { startWatchdog, watchdogInterval } from "../system/watchdog.js";
import { createFaceFinder } from "../vision/finder.js";
import { compose, type DaemonOptions, type Parts } from "./compose.js";
import { reload } from "./reload.js";

export interface Daemon {
  /** `ended`: the source came to its end; `stopped`: the signal aborted. */
  readonly finished: Promise<"ended" | "stopped">;
  /**
   * Takes a new configuration in: model, detector, event times, privacy and display change between two frames, and
   * no track is lost. What only a restart can change is named in the log.
   *
   * @throws the error of a part that refuses it; then the old configuration goes on.
   */
  reload(config: Config): Promise<void>;
}

/** OpenCV would take all: what the camera's program, its driver and the rest of the system need is left to them. */
const CORES_FOR_THE_CAMERA = 1;
const HEALTH_INTERVAL = 10_000;
const STATUS_INTERVAL = 1_000;
/** Of the five seconds that a stop may take. */
const FLUSH_TIME = 2_500;

/**
 * Builds every part from a validated configuration, starts them in order, and stops them in reverse.
 *
 * @throws ModelError, CascadeError, ConfigError, MqttCredentialError, HttpConfigError when a part cannot be built.
 */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const { logger, environment } = options;
  const { mqtt } = options.config;
  cv.setNumThreads(Math.max(1, availableParallelism() - CORES_FOR_THE_CAMERA));
  // Wrong ones are told before anything is started.
  const exposed = passwordInTheClear(mqtt.url, readMqttCredentials(mqtt, environment));
  if (exposed !== null) logger.warn(exposed);
  const ending = new AbortController();
  const signal = AbortSignal.any([options.signal, ending.signal]);
  const parts = await compose(options, signal);
  // The camera's program takes as long to start as the rest does: it starts beside it.
  const watching = parts.source.run(signal);
  let working: Promise<void>;
  try {
    ({ working } = await start(parts, options, signal));
  } catch (error) {
    ending.abort();
    await Promise.all([watching, parts.pictures.display.stop()]);
    parts.source.slot.discard();
    await parts.engine.close();
    throw error;
  }

  async function untilEnd(): Promise<"ended" | "stopped"> {
    const stopTelling = keepTelling(parts, options);
    let reason: EndReason = "stopped";
    try {
      await working;
      if (signal.aborted) return "stopped";
      reason = "source";
      return "ended";
    } finally {
      stopTelling();
      ending.abort();
      await stop(parts, watching, reason);
      logger.info("emotiond has stopped");
    }
  }

  return { finished: untilEnd(), reload: (next) => reload(parts, logger, next) };
}

/** Opens what works on frames and tells of them, and sets the frame loop going. */
async function start(
  { source, finder, engine, outlets, frames, pause, status, lifecycle, identity, onCommand }: Parts,
  { config, logger }: DaemonOptions,
  signal: AbortSignal,
): Promise<{ readonly working: Promise<void> }> {
  finder.use(createFaceFinder(config.detector));
  await engine.use(await engine.open(config.emotion));
  const { device, boot } = identity;
  logger.info(
    { device, boot, camera: source.description, engine: engine.classifier.engine },
    "emotiond is starting",
  );
  const opening = outlets.open(
    { onCommand, paused: () => pause.on, health: status.health, faces: () => lifecycle.live.length },
    signal,
  );
  // A live camera's first face is looked at meanwhile; a file's frames would only wait.
  if (source.lossless) await opening;
  const working = frames.run(signal);
  // Its error comes out in `untilEnd`.
  working.catch(() => undefined);
  await opening;
  return { working };
}

/** Tells broker, systemd and monitor how the daemon is, until the returned function is called. */
function keepTelling(
  { status, pictures, notifier, pause, source, meter }: Parts,
  { environment, logger }: DaemonOptions,
): () => void {
  const healthTimer = setInterval(status.tell, HEALTH_INTERVAL);
  const statusTimer = setInterval(() => {
    notifier.status(status.line());
    pictures.explainAbsence();
  }, STATUS_INTERVAL);
  const watchdog = startWatchdog({
    notifier,
    intervalMs: watchdogInterval(environment),
    progress: () => (pause.on || source.health().status !== "running" ? "idle-ok" : meter.frames),
    logger,
  });
  // No frame comes that could say so.
  if (pause.on) notifier.ready();
  return () => {
    clearInterval(healthTimer);
    clearInterval(statusTimer);
    watchdog.stop();
  };
}

/** Ends what lives, says so to everyone, and lets go of everything native. */
async function stop(
  { notifier, pipeline, frames, pictures, outlets, source, engine }: Parts,
  watching: Promise<void>,
  reason: EndReason,
): Promise<void> {
  notifier.stopping();
  pipeline.endAll(frames.now, reason);
  const pictureless = pictures.close("emotiond is stopping");
  await Promise.all([outlets.close(FLUSH_TIME), pictureless, watching]);
  source.slot.discard();
  await engine.close();
  await notifier.settled();
}
