import { monotonicFactory } from "ulid";
import type { Logger } from "../base/log.js";
import type { Frame } from "../camera/frame.js";
import type { Config } from "../config/schema.js";
import { createScorer } from "../emotion/scorer.js";
import { createLifecycle } from "../events/lifecycle.js";
import type { EmotionEvent, EndReason } from "../events/schema.js";
import { createServiceNotifier } from "../system/notify.js";
import { pauseRecord } from "../system/pause-record.js";
import { cropFaces } from "../vision/crop.js";
import { createTracker } from "../vision/tracker.js";
import { createCommands } from "./commands.js";
import { createEngine } from "./engine.js";
import { createFrameLoop } from "./frames.js";
import { createLiveConfig, eventSettings } from "./live-config.js";
import { createLiveFinder } from "./live-finder.js";
import { createPipelineMeter } from "./meter.js";
import { createOutlets } from "./outlets.js";
import { readPause } from "./pause.js";
import { createPictures } from "./pictures.js";
import { createPipeline, type Stage } from "./pipeline.js";
import { createSource } from "./source.js";
import { createStatus } from "./status.js";

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

export type Parts = Awaited<ReturnType<typeof compose>>;

/**
 * Builds all parts from a validated configuration, each with those that it asks or tells. Nothing runs yet but the
 * display; finder and engine have nothing to work with before `use`.
 *
 * @throws ConfigError when the source cannot be understood.
 */
export async function compose(options: DaemonOptions, signal: AbortSignal) {
  const { config, logger, environment } = options;
  const newId = monotonicFactory();
  const identity = { device: config.device, boot: newId(), newId: () => newId() };
  const stateFolder = environment.STATE_DIRECTORY?.split(":")[0];

  const live = createLiveConfig(config);
  const notifier = createServiceNotifier({ env: environment, logger });
  const record = stateFolder ? pauseRecord(stateFolder) : undefined;
  const pause = await readPause({ record, logger, commands: config.mqtt.commands });
  const source = createSource({
    config: config.source,
    masks: live.masks,
    logger,
    runtimeDirectory: environment.RUNTIME_DIRECTORY,
    pause,
    onLost: () => {
      endFaces("camera");
      pictures.explainAbsence();
      status.tell();
    },
    onRecovered: () => status.tell(),
    onClosed: () => status.tell(),
    onStage,
  });
  const finder = createLiveFinder();
  const engine = createEngine({ logger, stateFolder, frameUnderWay: () => frames.underWay, signal });
  const settings = eventSettings(live, identity);
  const tracker = createTracker(settings);
  const lifecycle = createLifecycle(settings);
  const meter = createPipelineMeter();
  const outlets = createOutlets({ config, environment, logger });
  const pictures = createPictures({ live, logger, finder, lifecycle, meter, outlets, pause, source });
  const pipeline = createPipeline({
    finder,
    tracker,
    lifecycle,
    classifier: () => engine.classifier,
    scorer: createScorer(cropFaces),
    opened: () => outlets.opened,
    publish,
    publishState: outlets.state,
    show: pictures.show,
    onStage,
  });
  const frames = createFrameLoop({
    source,
    pause,
    process: pipeline.process,
    onThrough: (frame, latencyMs) => {
      meter.done(performance.now(), latencyMs);
      outlets.frame(latencyMs);
      options.onFrame?.(frame, latencyMs, lifecycle.live.length);
      if (meter.frames === 1) notifier.ready();
      status.tellFirst();
    },
  });
  const status = createStatus({ source, meter, lifecycle, engine, outlets, pause });
  const onCommand = createCommands({ pause, pictures, outlets, status, endFaces });

  function onStage(stage: Stage, milliseconds: number): void {
    // The first frames go uncounted.
    outlets.stage(stage, milliseconds);
    options.onStage?.(stage, milliseconds);
  }

  function publish(events: readonly EmotionEvent[]): void {
    for (const event of events) {
      outlets.event(event);
      options.onEvent?.(event);
    }
  }

  function endFaces(reason: EndReason): void {
    meter.reset();
    pipeline.endAll(frames.now, reason);
  }

  return {
    ...{ identity, live, notifier, pause, source, finder, engine, lifecycle },
    ...{ meter, outlets, pictures, pipeline, frames, status, onCommand },
  };
}
