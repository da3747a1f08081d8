import { monotonicFactory } from "ulid";
import { EMOTION_COUNT } from "../../src/base/labels.js";
import type { Logger } from "../../src/base/logger.js";
import type { MqttConfig } from "../../src/config/schema.js";
import { createLifecycle, type ObservedFace, stateOf } from "../../src/events/lifecycle.js";
import { createMqttPublisher, type MqttPublisher, type MqttTiming } from "../../src/mqtt/client.js";

/** A device without a camera: made-up faces go through the daemon's own lifecycle and MQTT client. */
export interface VirtualDevice {
  readonly device: string;
  readonly boot: string;
  readonly publisher: MqttPublisher;
  /** The last `seq` handed to the client. */
  seq(): number;
  /** Takes in one made-up frame. */
  tick(): void;
  stop(timeoutMs: number): Promise<void>;
}

export interface VirtualDeviceOptions {
  readonly device: string;
  readonly mqtt: MqttConfig;
  readonly log: Logger;
  /** Seconds between the updates of a face. */
  readonly updateInterval: number;
  readonly timing?: Partial<MqttTiming>;
  /** In [0, 1); one that can be repeated makes the run repeatable. */
  readonly random: () => number;
  /** Told of each event as it is handed to the client. */
  readonly onEvent?: (seq: number, time: string) => void;
}

const FRAME = { width: 640, height: 480 };
const MODEL = { name: "simulated", version: "1" };
const MOST_FACES = 3;

export function virtualDevice(options: VirtualDeviceOptions): VirtualDevice {
  const { random } = options;
  const newId = monotonicFactory();
  const boot = newId();
  const lifecycle = createLifecycle({
    device: options.device,
    boot,
    newId,
    minConfidence: 0.4,
    minDwell: 0,
    updateInterval: options.updateInterval * 1000,
  });
  const publisher = createMqttPublisher({
    config: options.mqtt,
    device: options.device,
    credentials: () => ({}),
    log: options.log,
    onCommand: () => Promise.resolve({ ok: true }),
    environment: {},
    ...(options.timing === undefined ? {} : { timing: options.timing }),
  });
  let faces: { id: string; since: number; label: number; x: number }[] = [];
  let frame = 0;
  let seq = 0;

  function scoresOf(label: number): number[] {
    const rest = 0.2 / (EMOTION_COUNT - 1);
    return Array.from({ length: EMOTION_COUNT }, (_, index) => (index === label ? 0.8 : rest));
  }

  function hand(events: ReturnType<typeof lifecycle.endAll>): void {
    for (const event of events) {
      seq = event.seq;
      publisher.event(event);
      options.onEvent?.(event.seq, event.time);
    }
  }

  return {
    device: options.device,
    boot,
    publisher,
    seq: () => seq,
    tick() {
      const steadyAt = performance.now();
      frame += 1;
      faces = faces.filter(() => random() > 0.02);
      if (faces.length < MOST_FACES && random() < 0.15) {
        faces.push({
          id: newId(),
          since: steadyAt,
          label: Math.floor(random() * EMOTION_COUNT),
          x: random() * 500,
        });
      }
      for (const face of faces) {
        if (random() < 0.05) face.label = Math.floor(random() * EMOTION_COUNT);
      }
      const observed: ObservedFace[] = faces.map((face) => ({
        trackId: face.id,
        since: face.since,
        box: { x: face.x, y: 100, width: 80, height: 80 },
        confirmed: true,
        scores: scoresOf(face.label),
      }));
      const takenAt = Date.now();
      const outcome = lifecycle.observe({ number: frame, takenAt, steadyAt, ...FRAME }, observed, MODEL);
      hand(outcome.events);
      if (outcome.changed) publisher.state(stateOf(lifecycle.live, takenAt));
    },
    stop(timeoutMs) {
      hand(lifecycle.endAll({ takenAt: Date.now(), steadyAt: performance.now() }, "stopped"));
      return publisher.stop(timeoutMs);
    },
  };
}
