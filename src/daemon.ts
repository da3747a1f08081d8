import { monotonicFactory } from "ulid";
import { createCamera, isLossless } from "./camera/create.js";
import type { Frame } from "./camera/frame.js";
import { createSlot } from "./camera/slot.js";
import { superviseCamera } from "./camera/supervisor.js";
import type { Config } from "./config/schema.js";
import { createDisplay } from "./display/display.js";
import type { Scene } from "./display/scene.js";
import type { Classifier } from "./emotion/classifier.js";
import { loadClassifier } from "./emotion/load.js";
import { createLifecycle, type Instant, rfc3339 } from "./events/lifecycle.js";
import type { EmotionEvent, Health } from "./events/schema.js";
import { createMetrics } from "./http/metrics.js";
import { startHttp } from "./http/server.js";
import { createPipelineMeter } from "./meter.js";
import { createMqttPublisher } from "./mqtt/client.js";
import { readMqttCredentials } from "./mqtt/credentials.js";
import type { Command, CommandResult } from "./mqtt/publisher.js";
import { createPipeline, type Stage } from "./pipeline.js";
import { createSnapshots } from "./snapshots.js";
import type { Logger } from "./system/log.js";
import { createServiceNotifier } from "./system/notify.js";
import { readTemperature } from "./system/temperature.js";
import { startWatchdog, watchdogInterval } from "./system/watchdog.js";
import { VERSION } from "./version.js";
import { toFractions } from "./vision/box.js";
import { cropFaces } from "./vision/crop.js";
import { createFaceFinder } from "./vision/finder.js";
import { createTracker } from "./vision/tracker.js";

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
   * Takes a new configuration in: model, detector, event times and display change between two frames, and no
   * track is lost. What only a restart can change is named in the log.
   *
   * @throws the error of a part that refuses it; then the old configuration goes on.
   */
  reload(config: Config): Promise<void>;
}

const HEALTH_INTERVAL = 10_000;
const STATUS_INTERVAL = 1_000;
/** Of the five seconds that a stop may take. */
const FLUSH_TIME = 2_500;

async function openClassifier({ emotion }: Config, logger: Logger): Promise<Classifier> {
  return loadClassifier(emotion.model, emotion.engine, { logger });
}

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
  const notifier = createServiceNotifier({ env: environment, logger });
  const meter = createPipelineMeter();

  let classifier = await openClassifier(config, logger);
  let finder = createFaceFinder(config.detector);
  const camera = createCamera(config.source, config.privacy.masks, {
    log: logger,
    ...(environment.RUNTIME_DIRECTORY === undefined
      ? {}
      : { runtimeDirectory: environment.RUNTIME_DIRECTORY }),
  });
  const lossless = isLossless(config.source);
  const slot = createSlot({ lossless });
  const display = createDisplay({ config: config.display, privacy: config.privacy, logger, device });
  const snapshots = createSnapshots({
    allowed: config.privacy.snapshots,
    render: (frame, about) => display.renderSnapshot(frame, about),
  });
  let paused = false;
  let frameUnderWay: Promise<void> = Promise.resolve();
  let lastFrame: Instant | undefined;
  let noticeShown = "";

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
  readMqttCredentials(config.mqtt, environment);
  const publisher = createMqttPublisher({
    config: config.mqtt,
    device,
    credentials: () => readMqttCredentials(config.mqtt, environment),
    log: logger,
    onCommand: obey,
    snapshots: config.privacy.snapshots,
    environment,
  });
  const metrics = createMetrics({
    health,
    delivery: () => publisher.stats(),
    faces: () => lifecycle.live.length,
  });

  const pipeline = createPipeline({
    finder: {
      find: (...about) => finder.find(...about),
      remember: (...about) => finder.remember(...about),
      release: () => finder.release(),
    },
    tracker,
    lifecycle,
    classifier: () => classifier,
    crop: cropFaces,
    publish: (events) => {
      for (const event of events) {
        publisher.event(event);
        metrics.event(event);
        options.onEvent?.(event);
      }
    },
    publishState: (state) => publisher.state(state),
    show,
    onStage,
  });

  function onStage(stage: Stage, milliseconds: number): void {
    metrics.stage(stage, milliseconds);
    options.onStage?.(stage, milliseconds);
  }

  const supervisor = superviseCamera({
    camera,
    deliver: timeDecoding((frame) => slot.put(frame), onStage),
    log: logger,
    onLost: () => {
      meter.reset();
      pipeline.endAll(endOfFaces());
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
        pipeline.endAll(endOfFaces());
        logger.info("paused");
        return { ok: true };
      case "resume":
        paused = false;
        logger.info("resumed");
        return { ok: true };
      case "display":
        return display.setSink(command.sink);
      case "snapshot":
        return snapshots.take();
    }
  }

  async function show(frame: Frame): Promise<void> {
    noticeShown = "";
    if (display.wants()) await display.show(frame, scene(frame));
    if (snapshots.wanted()) await snapshots.answer(frame, scene(frame));
  }

  /** When faces end that no frame ends: a file's time is its own, and stands still with its last frame. */
  function endOfFaces(): Instant {
    const present = { takenAt: Date.now(), steadyAt: performance.now() };
    return lossless ? (lastFrame ?? present) : present;
  }

  function scene(frame: Frame): Scene {
    return {
      device,
      faces: lifecycle.live.map((face) => ({ ...face, ageSeconds: (frame.steadyAt - face.since) / 1000 })),
      followed: tracker.tracks.map(({ id, box }) => ({
        trackId: id,
        box: toFractions(box, frame.width, frame.height),
      })),
      fps: meter.fps(performance.now()),
      broker: publisher.stats().connected ? "connected" : "away",
      camera: supervisor.health().status,
      clock: new Date(frame.takenAt).toLocaleTimeString("en-GB"),
    };
  }

  async function health(): Promise<Health> {
    const at = performance.now();
    const camera = supervisor.health();
    const { buffered, dropped } = publisher.stats();
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
      mqtt: { buffered, dropped },
      rssMiB: round(process.memoryUsage.rss() / 1024 / 1024),
      temperature: await readTemperature(),
    };
  }

  function tellHealth(): void {
    // `health` reads a file of the kernel's and does not fail; the rest is handed over at once.
    void health().then((message) => publisher.health(message));
  }

  async function work(): Promise<void> {
    for (;;) {
      const frame = await slot.take(signal);
      if (frame === null) return;
      try {
        if (paused) continue;
        const begun = performance.now();
        lastFrame = { takenAt: frame.takenAt, steadyAt: frame.steadyAt };
        frameUnderWay = pipeline.process(frame);
        await frameUnderWay;
        const done = performance.now();
        const latency = done - (lossless ? begun : frame.steadyAt);
        meter.done(done, latency);
        metrics.frame(latency);
        options.onFrame?.(frame, latency, lifecycle.live.length);
        if (meter.frames === 1) {
          notifier.ready();
          tellHealth();
        }
      } finally {
        frame.release();
      }
    }
  }

  async function run(): Promise<"ended" | "stopped"> {
    publisher.start();
    logger.info(
      { device, boot, camera: camera.description, engine: classifier.engine },
      "emotiond is starting",
    );
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
    const watching = supervisor.run(signal).finally(() => slot.close());
    try {
      await work();
      return signal.aborted ? "stopped" : "ended";
    } finally {
      clearInterval(healthTimer);
      clearInterval(statusTimer);
      watchdog.stop();
      ending.abort();
      await stop(watching);
    }
  }

  /** Ends what lives, says so to everyone, and lets go of everything native. */
  async function stop(watching: Promise<unknown>): Promise<void> {
    notifier.stopping();
    pipeline.endAll(endOfFaces());
    snapshots.refuse("emotiond is stopping");
    await Promise.all([publisher.stop(FLUSH_TIME), display.stop(), http?.close(), watching]);
    slot.discard();
    finder.release();
    await classifier.close();
    await notifier.settled();
    logger.info("emotiond has stopped");
  }

  /** Why there is no picture, on the monitor; nothing while there is one. */
  function tellNotice(): void {
    const cameraHealth = supervisor.health();
    if (!paused && cameraHealth.status === "running") return;
    const reason = cameraHealth.lastError ?? `waiting for ${camera.description}`;
    const notice = paused ? "paused" : `no camera: ${reason}, retrying`;
    if (notice !== noticeShown) display.placeholder(notice);
    noticeShown = notice;
  }

  function statusLine(): string {
    if (paused) return "paused";
    const { status, lastError } = supervisor.health();
    const broker = publisher.stats().connected ? "broker connected" : "broker away";
    if (status !== "running")
      return `${lastError === null ? `camera ${status}` : `no camera: ${lastError}`}, ${broker}`;
    return `${meter.fps(performance.now())} fps, ${lifecycle.live.length} faces, ${broker}`;
  }

  async function reload(next: Config): Promise<void> {
    const restartKeys = (["device", "source", "mqtt", "privacy", "http"] as const).filter(
      (key) => JSON.stringify(next[key]) !== JSON.stringify(config[key]),
    );
    const nextFinder = createFaceFinder(next.detector);
    const nextClassifier = await openClassifier(next, logger).catch((error: unknown) => {
      nextFinder.release();
      throw error;
    });
    const [oldClassifier, oldFinder] = [classifier, finder];
    classifier = nextClassifier;
    finder = nextFinder;
    config = {
      ...next,
      device,
      source: config.source,
      mqtt: config.mqtt,
      privacy: config.privacy,
      http: config.http,
    };
    logger.level = next.log.level;
    await display.configure(next.display);
    if (restartKeys.length > 0)
      logger.warn({ sections: restartKeys }, "changes in these sections need a restart");
    // The frame that is under way still uses them.
    await frameUnderWay;
    oldFinder.release();
    await oldClassifier.close();
    logger.info({ model: classifier.model, engine: classifier.engine }, "configuration reloaded");
  }

  const http = await startHttp(config.http, { health, delivery: () => publisher.stats(), metrics }, signal);
  return { finished: run(), reload };
}
