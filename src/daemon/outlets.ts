import { withResolvers } from "../base/clock.js";
import type { Logger } from "../base/log.js";
import type { Config } from "../config/schema.js";
import { stateOf } from "../events/lifecycle.js";
import type { EmotionEvent, Health, State } from "../events/schema.js";
import type { Metrics } from "../http/metrics.js";
import type { HttpServer } from "../http/server.js";
import type { MqttPublisher } from "../mqtt/client.js";
import { readMqttCredentials } from "../mqtt/credentials.js";
import { leaveOutNumberCache } from "../mqtt/number-cache.js";
import type { CommandHandler, DeliveryStats } from "../mqtt/publisher.js";
import type { Stage } from "./pipeline.js";

/** Where what was found goes, and is asked for. Until they are open, what is told is told to nobody. */
export interface Outlets {
  /**
   * Opens the way to the broker, and HTTP. Their libraries are loaded here and not before, since nothing can be told
   * before a face has stayed for a while: by then the camera runs.
   *
   * @throws HttpConfigError when HTTP cannot be served as configured; then nothing has been said to the broker.
   */
  open(sources: OutletSources, signal: AbortSignal): Promise<void>;
  /** As `open` does, for those who have something to tell before. */
  readonly opened: Promise<void>;
  event(event: EmotionEvent): void;
  state(state: State): void;
  health(health: Health): void;
  paused(paused: boolean): void;
  /** What a frame or a stage took, in milliseconds. */
  frame(latencyMs: number): void;
  stage(stage: Stage, milliseconds: number): void;
  allowSnapshots(allowed: boolean): void;
  delivery(): DeliveryStats;
  /** Says the last word to the broker, in so many milliseconds at most, and closes HTTP. */
  close(timeoutMs: number): Promise<void>;
}

export interface OutletOptions {
  readonly config: Config;
  readonly environment: NodeJS.ProcessEnv;
  readonly logger: Logger;
}

/** What is asked for, and who obeys. */
export interface OutletSources {
  readonly onCommand: CommandHandler;
  readonly paused: () => boolean;
  readonly health: () => Promise<Health>;
  /** Faces in view. */
  readonly faces: () => number;
}

interface OpenOutlets {
  readonly publisher: MqttPublisher;
  readonly metrics: Metrics;
  readonly http: HttpServer | null;
}

const NOTHING_DELIVERED: DeliveryStats = { connected: false, buffered: 0, dropped: 0, replayed: 0 };

export function createOutlets(options: OutletOptions): Outlets {
  let open: OpenOutlets | undefined;
  const { promise: opened, resolve, reject } = withResolvers();
  // Whoever opens them is told as well.
  opened.catch(() => undefined);

  return {
    async open(sources, signal) {
      try {
        open = await openOutlets(options, sources, signal);
        resolve();
      } catch (error) {
        reject(error);
        throw error;
      }
    },
    opened,
    event(event) {
      open?.publisher.event(event);
      open?.metrics.event(event);
    },
    state: (state) => open?.publisher.state(state),
    health: (health) => open?.publisher.health(health),
    paused: (paused) => open?.publisher.paused(paused),
    frame: (latencyMs) => open?.metrics.frame(latencyMs),
    stage: (stage, milliseconds) => open?.metrics.stage(stage, milliseconds),
    allowSnapshots: (allowed) => open?.publisher.allowSnapshots(allowed),
    delivery: () => open?.publisher.stats() ?? NOTHING_DELIVERED,
    async close(timeoutMs) {
      await Promise.all([open?.publisher.stop(timeoutMs), open?.http?.close()]);
    },
  };
}

async function openOutlets(
  { config, environment, logger }: OutletOptions,
  { onCommand, paused, health, faces }: OutletSources,
  signal: AbortSignal,
): Promise<OpenOutlets> {
  const { createMqttPublisher } = await import("../mqtt/client.js");
  leaveOutNumberCache();
  const publisher = createMqttPublisher({
    config: config.mqtt,
    device: config.device,
    credentials: () => readMqttCredentials(config.mqtt, environment),
    log: logger,
    onCommand,
    snapshots: config.privacy.snapshots,
    environment,
  });
  const { createMetrics } = await import("../http/metrics.js");
  const delivery = () => publisher.stats();
  const metrics = createMetrics({ health, delivery, faces });
  const { startHttp } = await import("../http/server.js");
  const http = await startHttp(config.http, { health, delivery, metrics }, signal);
  // What a boot before this one retained may show faces of people who have long gone.
  publisher.state(stateOf([], Date.now()));
  publisher.paused(paused());
  publisher.start();
  return { publisher, metrics, http };
}
