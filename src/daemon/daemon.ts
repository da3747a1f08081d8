import { availableParallelism } from "node:os";
import { monotonicFactory } from "ulid";
import type { Box } from "../base/box.js";
import type { Logger } from "../base/log.js";
import { cv } from "../base/opencv.js";
import { VERSION } from "../base/version.js";
import { createCamera, isLossless } from "../camera/create.js";
import type { Frame } from "../camera/frame.js";
import { createMasks } from "../camera/masks.js";
import { createSlot } from "../camera/slot.js";
import { superviseCamera } from "../camera/supervisor.js";
import type { Config } from "../config/schema.js";
import { createDisplay, renderSnapshot } from "../display/display.js";
import { createHiding, LOOKING_NOTICE } from "../display/hiding.js";
import type { Scene } from "../display/scene.js";
import type { Classifier } from "../emotion/classifier.js";
import { type ChosenClassifier, chooseClassifier } from "../emotion/load.js";
import { createScorer } from "../emotion/scorer.js";
import { createLifecycle, type Instant, rfc3339 } from "../events/lifecycle.js";
import type { EmotionEvent, EndReason, Health } from "../events/schema.js";
import { passwordInTheClear, readMqttCredentials } from "../mqtt/credentials.js";
import type { Command, CommandResult } from "../mqtt/publisher.js";
import { createServiceNotifier } from "../system/notify.js";
import { pauseRecord } from "../system/pause-record.js";
import { readTemperature } from "../system/temperature.js";
import { startWatchdog, watchdogInterval } from "../system/watchdog.js";
import { cropFaces } from "../vision/crop.js";
import { createFaceFinder, type FaceFinder } from "../vision/finder.js";
import { createTracker, type Track } from "../vision/tracker.js";
import { createPipelineMeter } from "./meter.js";
import { type Outlets, openOutlets } from "./outlets.js";
import { createPipeline, type Stage } from "./pipeline.js";
import { createSnapshots } from "./snapshots.js";

export interface DaemonOptions {
  readonly config: Config;
  readonly logger: Logger;
  /** Aborts to stop the daemon in good order. */
  readonly signal: AbortSignal;
  readonly environment: NodeJS.ProcessEnv;
  /** Told of each event as it is handed to the broker's client. */
  readonly onEvent?: (event: EmotionEvent) => void;
  /** Told how long each stage of each frame took, in milliseconds. */
  readonly onStage?: (stage: Stage, milliseconds: number) => void;
  /** Told of each frame that went all the way through: milliseconds since it was taken, and the faces in view. */
  readonly onFrame?: (frame: Frame, latencyMs: number, faces: number) => void;
}

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

/** Measures what the camera needs for a frame: from one handed over to the next. */
function timeDecoding(
  put: (frame: Frame) => Promise<void>,
  onStage: (stage: Stage, milliseconds: number) => void,
): (frame: Frame) => Promise<void> {
  let handedOver: number | undefined;
  return async (frame) => {
    if (handedOver !== undefined) onStage("decode", performance.now() - handedOver);
    await put(frame);
    handedOver = performance.now();
  };
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

/**
 * Builds every part from a validated configuration, starts them in order, and stops them in reverse.
 *
 * @throws ModelError, CascadeError, CameraError, MqttCredentialError, HttpConfigError when a part cannot be built.
 */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const { logger, environment } = options;
  const ending = new AbortController();
  const signal = AbortSignal.any([options.signal, ending.signal]);
  let config = options.config;
  const { device } = config;
  const newId = monotonicFactory();
  const boot = newId();
  const startedAt = performance.now();
  cv.setNumThreads(Math.max(1, availableParallelism() - CORES_FOR_THE_CAMERA));
  const notifier = createServiceNotifier({ env: environment, logger });
  const stateFolder = environment.STATE_DIRECTORY?.split(":")[0];
  const record = stateFolder ? pauseRecord(stateFolder) : undefined;
  const meter = createPipelineMeter();

  // Wrong ones are told before anything is started.
  const exposed = passwordInTheClear(config.mqtt.url, readMqttCredentials(config.mqtt, environment));
  if (exposed !== null) logger.warn(exposed);
  let masks = createMasks(config.privacy.masks);
  const camera = createCamera(
    config.source,
    { blank: (picture) => masks.blank(picture) },
    {
      log: logger,
      ...(environment.RUNTIME_DIRECTORY === undefined
        ? {}
        : { runtimeDirectory: environment.RUNTIME_DIRECTORY }),
    },
  );
  const lossless = isLossless(config.source);
  const slot = createSlot({ lossless });
  const display = createDisplay({ config: config.display, logger, device });
  const hiding = createHiding({ wanted: () => config.privacy.blurFaces, finder: () => finder });
  const snapshots = createSnapshots({
    allowed: () => config.privacy.snapshots,
    render: async (frame, about, stop) =>
      renderSnapshot(frame, { ...about, hidden: await hiding.search(frame, about.hidden, stop) }),
    onFault: (error) => logger.error({ err: error }, "a snapshot failed"),
  });
  let classifier: Classifier;
  let finder: FaceFinder;
  /** Aborts the search for a faster engine. */
  let choosing = new AbortController();
  let outlets: Outlets | undefined;
  // Before the camera is looked at.
  const found = await record?.read();
  let paused = found?.paused ?? false;
  if (paused) {
    const deaf = config.mqtt.commands ? "" : " (which mqtt.commands: false keeps from being taken)";
    const message = `paused, as before the last stop, until the command resume${deaf}`;
    if (found?.doubt === null) logger.info(message);
    else logger.warn({ reason: found?.doubt }, `${message}: in doubt the camera stays off`);
  }
  /** Resolves when the camera may be used: a daemon that starts paused leaves it alone until then. */
  let allowCamera = () => {};
  const cameraAllowed = new Promise<void>((resolve) => {
    allowCamera = resolve;
    signal.addEventListener("abort", () => resolve(), { once: true });
    if (!paused || signal.aborted) resolve();
  });
  let frameUnderWay: Promise<void> = Promise.resolve();
  let lastFrame: Instant | undefined;
  let noticeShown = "";
  let healthDue = true;

  // Read on each use, so that a reload takes effect between two frames.
  const settings = {
    device,
    boot,
    newId: () => newId(),
    get minConfidence() {
      return config.emotion.minConfidence;
    },
    get minDwell() {
      return config.events.minDwell * 1000;
    },
    get updateInterval() {
      return config.events.updateInterval * 1000;
    },
    get lostAfter() {
      return config.events.lostAfter * 1000;
    },
  };
  const tracker = createTracker(settings);
  const lifecycle = createLifecycle(settings);
  const pipeline = createPipeline({
    finder: {
      find: (...about) => finder.find(...about),
      remember: (...about) => finder.remember(...about),
      get swept() {
        return finder.swept;
      },
      restart: () => finder.restart(),
    },
    tracker,
    lifecycle,
    classifier: () => classifier,
    scorer: createScorer(cropFaces),
    opened: () => opened,
    publish: (events) => {
      for (const event of events) {
        outlets?.publisher.event(event);
        outlets?.metrics.event(event);
        options.onEvent?.(event);
      }
    },
    publishState: (state) => outlets?.publisher.state(state),
    show,
    onStage,
  });

  function onStage(stage: Stage, milliseconds: number): void {
    // The first frames go uncounted.
    outlets?.metrics.stage(stage, milliseconds);
    options.onStage?.(stage, milliseconds);
  }

  const supervisor = superviseCamera({
    camera,
    deliver: timeDecoding((frame) => slot.put(frame), onStage),
    log: logger,
    onLost: () => {
      meter.reset();
      pipeline.endAll(endOfFaces(), "camera");
      tellNotice();
      tellHealth();
    },
    onRecovered: () => tellHealth(),
  });

  async function obey(command: Command): Promise<CommandResult & { readonly jpeg?: Buffer }> {
    switch (command.name) {
      case "pause":
        paused = true;
        meter.reset();
        tellNotice();
        pipeline.endAll(endOfFaces(), "paused");
        snapshots.refuse("emotiond was paused");
        return keepPause();
      case "resume":
        paused = false;
        allowCamera();
        return keepPause();
      case "display":
        return display.setSink(command.sink);
      case "snapshot":
        return snapshots.take();
    }
  }

  /** Answers a command that has paused or resumed, once that is kept for the next start. */
  async function keepPause(): Promise<CommandResult> {
    const now = paused;
    const done = now ? "paused" : "resumed";
    outlets?.publisher.paused(now);
    tellHealth();
    const trouble = await record?.keep(now);
    if (record === undefined) {
      logger.info(done);
      if (now) logger.warn("without $STATE_DIRECTORY there is nowhere to keep a pause: a restart ends it");
    } else if (trouble) {
      const error = now
        ? `paused, but a restart would forget it: ${trouble}`
        : `resumed, but a restart would be paused again: ${trouble}`;
      logger.error({ reason: trouble }, error);
      return { ok: false, error };
    } else logger.info(done);
    return { ok: true };
  }

  async function show(frame: Frame, tracks: readonly Track[]): Promise<void> {
    const { hidden, notice } = hiding.follow(frame, tracks);
    showNotice(notice ?? "");
    if (notice === null && display.wants()) await display.show(frame, scene(frame, hidden));
    if (snapshots.wanted()) await snapshots.answer(frame, scene(frame, hidden));
  }

  /** In place of the picture, until it changes; an empty one leaves the place to the next picture. */
  function showNotice(notice: string): void {
    if (notice !== "" && notice !== noticeShown) display.placeholder(notice);
    noticeShown = notice;
  }

  /** When faces end that no frame ends: a file's time is its own, and stands still with its last frame. */
  function endOfFaces(): Instant {
    const present = { takenAt: Date.now(), steadyAt: performance.now() };
    // Before its first frame there is no face to end, and none of its frames is older.
    return lossless ? (lastFrame ?? { ...present, steadyAt: Number.NEGATIVE_INFINITY }) : present;
  }

  function scene(frame: Frame, hidden: readonly Box[]): Scene {
    return {
      device,
      faces: lifecycle.live.map((face) => ({ ...face, ageSeconds: (frame.steadyAt - face.since) / 1000 })),
      hidden,
      fps: meter.fps(performance.now()),
      broker: outlets?.publisher.stats().connected === true ? "connected" : "away",
      camera: supervisor.health().status,
      clock: new Date(frame.takenAt).toLocaleTimeString("en-GB"),
    };
  }

  async function health(): Promise<Health> {
    const at = performance.now();
    const camera = supervisor.health();
    const { buffered, dropped } = outlets?.publisher.stats() ?? { buffered: 0, dropped: 0 };
    return {
      time: rfc3339(Date.now()),
      uptime: round((at - startedAt) / 1000),
      version: VERSION,
      camera: {
        status: camera.status,
        fps: round(camera.fps),
        lastFrameAge: camera.lastFrameAge === null ? null : round(camera.lastFrameAge),
        restarts: camera.restarts,
      },
      pipeline: { fps: meter.fps(at), dropped: slot.dropped, latencyMs: meter.latencyMs() },
      model: { name: classifier.model.name, engine: classifier.engine },
      paused,
      mqtt: { buffered, dropped },
      rssMiB: round(process.memoryUsage.rss() / 1024 / 1024),
      temperature: await readTemperature(),
    };
  }

  function tellHealth(): void {
    const publisher = outlets?.publisher;
    // Nobody hears it yet.
    if (publisher?.stats().connected !== true) return;
    healthDue = false;
    // `health` reads a file of the kernel's and does not fail; the rest is handed over at once.
    void health().then((message) => publisher.health(message));
  }

  /**
   * Frames from the camera to the last stage, until there are no more. One at a time: to find faces in one beside the
   * naming of those in the last was measured, and took each frame twice as long for no more frames a second, since
   * most of either runs on this thread.
   */
  async function work(): Promise<void> {
    for (;;) {
      const frame = await slot.take(signal);
      if (frame === null) return;
      try {
        if (paused) continue;
        frameUnderWay = lookAt(frame);
        await frameUnderWay;
      } finally {
        frame.release();
      }
    }
  }

  async function lookAt(frame: Frame): Promise<void> {
    const begun = performance.now();
    lastFrame = { takenAt: frame.takenAt, steadyAt: frame.steadyAt };
    await pipeline.process(frame);
    const done = performance.now();
    const latency = done - (lossless ? begun : frame.steadyAt);
    meter.done(done, latency);
    outlets?.metrics.frame(latency);
    options.onFrame?.(frame, latency, lifecycle.live.length);
    if (meter.frames === 1) notifier.ready();
    // As soon as there is something to tell, and somebody who hears it.
    if (healthDue) tellHealth();
  }

  /** Puts another classifier to work, between two frames, and closes the one before when it is done. */
  async function replaceClassifier(next: Classifier): Promise<void> {
    const before = classifier;
    classifier = next;
    // The frame that is under way may still be shown to it.
    await frameUnderWay.catch(() => undefined);
    await before.close();
  }

  /** Puts a faster engine to work once it is known, unless a reload has brought another classifier meanwhile. */
  function takeFaster(faster: Promise<Classifier | null>): void {
    const { signal: outdated } = choosing;
    void faster
      .then(async (better) => {
        if (better === null) return;
        if (outdated.aborted || signal.aborted) await better.close();
        else await replaceClassifier(better);
      })
      .catch((error: unknown) => logger.warn({ err: error }, "the engine could not be changed"));
  }

  async function run(working: Promise<void>): Promise<"ended" | "stopped"> {
    const healthTimer = setInterval(tellHealth, HEALTH_INTERVAL);
    const statusTimer = setInterval(() => {
      notifier.status(statusLine());
      tellNotice();
    }, STATUS_INTERVAL);
    const watchdog = startWatchdog({
      notifier,
      intervalMs: watchdogInterval(environment),
      progress: () => (paused || supervisor.health().status !== "running" ? "idle-ok" : meter.frames),
      logger,
    });
    let reason: EndReason = "stopped";
    // No frame comes that could say so.
    if (paused) notifier.ready();
    try {
      await working;
      if (signal.aborted) return "stopped";
      reason = "source";
      return "ended";
    } finally {
      clearInterval(healthTimer);
      clearInterval(statusTimer);
      watchdog.stop();
      ending.abort();
      await stop(reason);
    }
  }

  /** Ends what lives, says so to everyone, and lets go of everything native. */
  async function stop(reason: EndReason): Promise<void> {
    notifier.stopping();
    pipeline.endAll(endOfFaces(), reason);
    const snapshotsClosed = snapshots.close("emotiond is stopping");
    await Promise.all([outlets?.close(FLUSH_TIME), display.stop(), watching, snapshotsClosed]);
    slot.discard();
    await classifier.close();
    await notifier.settled();
    logger.info("emotiond has stopped");
  }

  /** Why there is no picture, on the monitor; nothing while there is one. */
  function tellNotice(): void {
    const cameraHealth = supervisor.health();
    if (!paused && cameraHealth.status === "running") return;
    const reason = cameraHealth.lastError ?? `waiting for ${camera.description}`;
    showNotice(paused ? "paused" : `no camera: ${reason}, retrying`);
  }

  function statusLine(): string {
    const { status, lastError } = supervisor.health();
    const broker = outlets?.publisher.stats().connected === true ? "broker connected" : "broker away";
    if (paused) return `paused until the command resume, ${broker}`;
    if (status !== "running")
      return `${lastError === null ? `camera ${status}` : `no camera: ${lastError}`}, ${broker}`;
    return `${meter.fps(performance.now())} fps, ${lifecycle.live.length} faces, ${broker}`;
  }

  async function reload(next: Config): Promise<void> {
    const restartKeys = (["device", "source", "mqtt", "http"] as const).filter(
      (key) => JSON.stringify(next[key]) !== JSON.stringify(config[key]),
    );
    const nextFinder = createFaceFinder(next.detector);
    const chosen = await openClassifier(next);
    finder = nextFinder;
    config = {
      ...next,
      device,
      source: config.source,
      mqtt: config.mqtt,
      http: config.http,
    };
    masks = createMasks(next.privacy.masks);
    outlets?.publisher.allowSnapshots(next.privacy.snapshots);
    // What is being made was made by the rules of before.
    snapshots.refuse("the configuration was changed meanwhile: ask again");
    if (next.privacy.blurFaces) showNotice(LOOKING_NOTICE);
    logger.level = next.log.level;
    await display.configure(next.display);
    if (restartKeys.length > 0)
      logger.warn({ sections: restartKeys }, "changes in these sections need a restart");
    await replaceClassifier(chosen.classifier);
    takeFaster(chosen.faster);
    logger.info({ model: classifier.model, engine: classifier.engine }, "configuration reloaded");
  }

  function openClassifier({ emotion }: Config): Promise<ChosenClassifier> {
    choosing.abort();
    choosing = new AbortController();
    return chooseClassifier(emotion.model, emotion.engine, {
      logger,
      signal: AbortSignal.any([signal, choosing.signal]),
      stateFolder,
    });
  }

  // The camera's program takes as long to start as the rest does: it starts beside it.
  const watching = cameraAllowed.then(() => supervisor.run(signal)).finally(() => slot.close());
  let working: Promise<void> | undefined;
  let chosen: ChosenClassifier | undefined;
  let opened: Promise<Outlets>;
  try {
    finder = createFaceFinder(config.detector);
    chosen = await openClassifier(config);
    classifier = chosen.classifier;
    logger.info(
      { device, boot, camera: camera.description, engine: classifier.engine },
      "emotiond is starting",
    );
    const faces = () => lifecycle.live.length;
    opened = openOutlets(
      { config, environment, logger, onCommand: obey, paused: () => paused, health, faces },
      signal,
    );
    // A live camera's first face is looked at meanwhile; a file's frames would only wait.
    if (lossless) outlets = await opened;
    working = work();
    // Its error comes out in `run`.
    working.catch(() => undefined);
    outlets = await opened;
    takeFaster(chosen.faster);
  } catch (error) {
    ending.abort();
    await Promise.allSettled([working, watching, display.stop()]);
    slot.discard();
    await chosen?.classifier.close();
    throw error;
  }
  return { finished: run(working), reload };
}
