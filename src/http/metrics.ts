import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { EmotionEvent, Health } from "../events/schema.js";
import type { DeliveryStats } from "../mqtt/publisher.js";
import { readThrottling, type Throttling } from "./throttling.js";

/** What the metrics are read from whenever they are asked for. */
export interface MetricSources {
  readonly health: () => Health | Promise<Health>;
  readonly delivery: () => DeliveryStats;
  /** Faces in view. */
  readonly faces: () => number;
  /** Default: the Raspberry Pi firmware's, where there is one. */
  readonly throttling?: () => Promise<Throttling | null>;
}

export interface Metrics {
  /** A stage of the pipeline took so long, in milliseconds. */
  stage(name: string, milliseconds: number): void;
  /** A frame went all the way through, so long after it was taken, in milliseconds. */
  frame(latencyMs: number): void;
  /** An event was handed to the broker's client. */
  event(event: EmotionEvent): void;
  /** All metrics in Prometheus' text format. */
  text(): Promise<string>;
  readonly contentType: string;
}

/** From a stage that does nothing to one that a slow board takes a second for. */
const BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

const CAMERA_STATUS = ["running", "starting", "stalled", "failed"] as const;

/** The metrics of one daemon, in a registry of their own. */
export function createMetrics(sources: MetricSources): Metrics {
  const registry = new Registry();
  const registers = [registry];
  /** Those of Node itself: a hundred looks a second at the event loop, once somebody asks, and not before. */
  let watchingNode = false;

  const stages = new Histogram({
    name: "emotiond_stage_duration_seconds",
    help: "Time that a frame spends in a stage of the pipeline",
    labelNames: ["stage"],
    buckets: BUCKETS,
    registers,
  });
  const latency = new Histogram({
    name: "emotiond_frame_latency_seconds",
    help: "Time from the taking of a frame to the end of its way through the pipeline",
    buckets: BUCKETS,
    registers,
  });
  const events = new Counter({
    name: "emotiond_events_total",
    help: "Events, by type and label",
    labelNames: ["type", "label"],
    registers,
  });

  const gauge = (name: string, help: string, labelNames: string[] = []) =>
    new Gauge({ name: `emotiond_${name}`, help, labelNames, registers });
  /** A count that is kept elsewhere, since the start of the daemon. */
  const total = (name: string, help: string) => {
    const counter = new Counter({ name: `emotiond_${name}_total`, help, registers });
    return (value: number) => {
      counter.reset();
      counter.inc(value);
    };
  };

  const info = gauge("info", "1, with what runs as labels", ["version", "model", "engine"]);
  const uptime = gauge("uptime_seconds", "Time since the start");
  const cameraStatus = gauge("camera_status", "1 for the status that the camera has", ["status"]);
  const cameraFps = gauge("camera_fps", "Frames a second that the camera delivers");
  const lastFrameAge = gauge(
    "camera_last_frame_age_seconds",
    "Time since the last frame; NaN before the first",
  );
  const restarts = total("camera_restarts", "Restarts of the camera");
  const paused = gauge("paused", "1 while paused");
  const pipelineFps = gauge("pipeline_fps", "Frames a second that go all the way through");
  const framesDropped = total("frames_dropped", "Frames dropped because a newer one was there");
  const faces = gauge("faces", "Faces in view");
  const connected = gauge("mqtt_connected", "1 while connected to the broker");
  const buffered = gauge("mqtt_buffered_events", "Events that the broker has not acknowledged yet");
  const dropped = total(
    "mqtt_dropped_events",
    "Events lost to maxEvents or maxAge, to a damaged disk, or refused by the broker for good",
  );
  const replayed = total("mqtt_replayed_events", "Events sent late");
  const temperature = gauge(
    "soc_temperature_celsius",
    "Temperature of the processor; NaN where nothing measures it",
  );
  const throttled = gauge("soc_throttled", "1 while the firmware limits the processor, by reason", [
    "reason",
  ]);

  async function collect(): Promise<void> {
    const health = await sources.health();
    const delivery = sources.delivery();
    info.reset();
    info.set({ version: health.version, model: health.model.name, engine: health.model.engine }, 1);
    uptime.set(health.uptime);
    for (const status of CAMERA_STATUS) cameraStatus.set({ status }, health.camera.status === status ? 1 : 0);
    cameraFps.set(health.camera.fps);
    lastFrameAge.set(health.camera.lastFrameAge ?? Number.NaN);
    restarts(health.camera.restarts);
    paused.set(health.paused ? 1 : 0);
    pipelineFps.set(health.pipeline.fps);
    framesDropped(health.pipeline.dropped);
    faces.set(sources.faces());
    connected.set(delivery.connected ? 1 : 0);
    buffered.set(delivery.buffered);
    dropped(delivery.dropped);
    replayed(delivery.replayed);
    temperature.set(health.temperature ?? Number.NaN);
    const throttling = await (sources.throttling ?? readThrottling)();
    for (const [reason, active] of Object.entries(throttling ?? {}))
      throttled.set({ reason }, active ? 1 : 0);
  }

  return {
    stage: (name, milliseconds) => stages.observe({ stage: name }, milliseconds / 1000),
    frame: (latencyMs) => latency.observe(latencyMs / 1000),
    event: (event) => events.inc({ type: event.type, label: event.emotion.label }),
    async text() {
      if (!watchingNode) collectDefaultMetrics({ register: registry });
      watchingNode = true;
      await collect();
      return registry.metrics();
    },
    contentType: registry.contentType,
  };
}
