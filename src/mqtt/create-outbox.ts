import { join } from "node:path";
import type { Logger } from "../base/logger.js";
import type { MqttConfig } from "../config/schema.js";
import { diskOutbox } from "./disk-outbox.js";
import { memoryOutbox, type Outbox } from "./outbox.js";

/**
 * The outbox that the configuration asks for: in the folder `path`, else in `outbox` of systemd's $STATE_DIRECTORY,
 * else in memory alone.
 */
export function createOutbox(config: MqttConfig["outbox"], env: NodeJS.ProcessEnv, log: Logger): Outbox {
  const { maxEvents, maxAge, diskAfter } = config;
  // systemd separates several state directories by colons; the unit has one.
  const stateDirectory = env.STATE_DIRECTORY?.split(":")[0];
  const path = config.path ?? (stateDirectory ? join(stateDirectory, "outbox") : undefined);
  return path === undefined
    ? memoryOutbox({ maxEvents, maxAge, log })
    : diskOutbox({ path, maxEvents, maxAge, diskAfter, log });
}
