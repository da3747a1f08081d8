import { ulid } from "ulid";
import type { Logger } from "../../../src/base/logger.js";
import { configSchema, type MqttConfig } from "../../../src/config/schema.js";
import type { EmotionEvent, Health, State } from "../../../src/events/schema.js";
import { createMqttPublisher, type MqttPublisher, type MqttTiming } from "../../../src/mqtt/client.js";
import { type MqttCredentials, readMqttCredentials } from "../../../src/mqtt/credentials.js";
import type { Outbox } from "../../../src/mqtt/outbox.js";
import type { CommandHandler } from "../../../src/mqtt/publisher.js";

const BOOT = ulid();

export function sampleEvent(seq: number, changes: Partial<EmotionEvent> = {}): EmotionEvent {
  const time = new Date().toISOString();
  return {
    schema: 1,
    id: ulid(),
    boot: BOOT,
    seq,
    device: "kitchen",
    type: "update",
    time,
    track: BOOT,
    since: time,
    duration: 0,
    box: { x: 0.4, y: 0.2, width: 0.1, height: 0.1 },
    emotion: {
      label: "happy",
      confidence: 0.9,
      scores: { angry: 0, disgust: 0, fear: 0, happy: 0.9, sad: 0, surprise: 0, neutral: 0.1 },
    },
    previous: "happy",
    replayed: false,
    frame: { number: seq, width: 640, height: 480 },
    model: { name: "test", version: "1" },
    ...changes,
  };
}

export function sampleState(faces = 0): State {
  return { time: new Date().toISOString(), faces, dominant: faces > 0 ? "happy" : null, tracks: [] };
}

export function sampleHealth(): Health {
  return {
    time: new Date().toISOString(),
    uptime: 1,
    version: "0.0.0",
    camera: { status: "running", fps: 30, lastFrameAge: 0.1, restarts: 0 },
    pipeline: { fps: 30, dropped: 0, latencyMs: 10 },
    model: { name: "test", engine: "onnx-int8" },
    paused: false,
    mqtt: { buffered: 0, dropped: 0 },
    rssMiB: 100,
    temperature: 50,
  };
}

export interface LogLine {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly details: object;
  readonly message: string;
}

export function capturedLog(): { log: Logger; lines: LogLine[]; text(): string } {
  const lines: LogLine[] = [];
  const at = (level: LogLine["level"]) => (details: object, message: string) => {
    lines.push({ level, details, message });
  };
  return {
    lines,
    log: { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") },
    text: () => lines.map((line) => JSON.stringify(line)).join("\n"),
  };
}

export const FAST: Partial<MqttTiming> = {
  connectTimeout: 1000,
  ackTimeout: 1000,
  lateAfter: 300,
  stableAfter: 500,
  refusedPause: 200,
  backoff: { first: 50, cap: 200 },
};

export function mqttConfig(settings: Record<string, unknown>): MqttConfig {
  return configSchema.parse({ device: "kitchen", mqtt: settings }).mqtt;
}

export interface Bench {
  readonly publisher: MqttPublisher;
  readonly lines: LogLine[];
  logText(): string;
}

/** A publisher with short times, ready to be started. */
export function publisherOf(
  settings: Record<string, unknown>,
  more: {
    onCommand?: CommandHandler;
    outbox?: Outbox;
    timing?: Partial<MqttTiming>;
    credentials?: () => MqttCredentials;
    device?: string;
  } = {},
): Bench {
  const config = mqttConfig(settings);
  const { log, lines, text } = capturedLog();
  const publisher = createMqttPublisher({
    config,
    device: more.device ?? "kitchen",
    credentials: more.credentials ?? (() => readMqttCredentials(config, {})),
    log,
    onCommand: more.onCommand ?? (() => Promise.resolve({ ok: true })),
    timing: { ...FAST, ...more.timing },
    ...(more.outbox ? { outbox: more.outbox } : {}),
  });
  return { publisher, lines, logText: text };
}
