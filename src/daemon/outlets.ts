import type { Logger } from "../base/log.js";
import type { Config } from "../config/schema.js";
import { stateOf } from "../events/lifecycle.js";
import type { Health } from "../events/schema.js";
import type { Metrics } from "../http/metrics.js";
import type { MqttPublisher } from "../mqtt/client.js";
import { readMqttCredentials } from "../mqtt/credentials.js";
import { leaveOutNumberCache } from "../mqtt/number-cache.js";
import type { CommandHandler } from "../mqtt/publisher.js";

/** Where what was found goes, and is asked for. */
export interface Outlets {
  readonly publisher: MqttPublisher;
  readonly metrics: Metrics;
  /** Says the last word to the broker, in so many milliseconds at most, and closes HTTP. */
  close(timeoutMs: number): Promise<void>;
}

export interface OutletOptions {
  readonly config: Config;
  readonly environment: NodeJS.ProcessEnv;
  readonly logger: Logger;
  readonly onCommand: CommandHandler;
  readonly paused: () => boolean;
  readonly health: () => Promise<Health>;
  /** Faces in view. */
  readonly faces: () => number;
}

/**
 * Opens the way to the broker, and HTTP. Their libraries are loaded here and not before, since nothing can be told
 * before a face has stayed for a while: by then the camera runs.
 *
 * @throws HttpConfigError when HTTP cannot be served as configured; then nothing has been said to the broker.
 */
export async function openOutlets(options: OutletOptions, signal: AbortSignal): Promise<Outlets> {
  const { config, environment, logger, health } = options;
  const { createMqttPublisher } = await import("../mqtt/client.js");
  leaveOutNumberCache();
  const publisher = createMqttPublisher({
    config: config.mqtt,
    device: config.device,
    credentials: () => readMqttCredentials(config.mqtt, environment),
    log: logger,
    onCommand: options.onCommand,
    snapshots: config.privacy.snapshots,
    environment,
  });
  const { createMetrics } = await import("../http/metrics.js");
  const delivery = () => publisher.stats();
  const metrics = createMetrics({ health, delivery, faces: options.faces });
  const { startHttp } = await import("../http/server.js");
  const http = await startHttp(config.http, { health, delivery, metrics }, signal);
  // What a boot before this one retained may show faces of people who have long gone.
  publisher.state(stateOf([], Date.now()));
  publisher.paused(options.paused());
  publisher.start();
  return {
    publisher,
    metrics,
    async close(timeoutMs) {
      await Promise.all([publisher.stop(timeoutMs), http?.close()]);
    },
  };
}
