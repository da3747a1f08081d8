import type { Logger } from "../base/logger.js";
import type { CommandResult } from "../mqtt/publisher.js";
import type { PauseRecord } from "../system/pause-record.js";

/** Whether the owner has paused the daemon. */
export interface Pause {
  readonly on: boolean;
  /** Aborts with the pause; while it is not on, with the next one. Each resume brings a new one. */
  readonly begun: AbortSignal;
  /** Resolves when it is not paused, or the signal aborts. */
  over(signal: AbortSignal): Promise<void>;
  /** At once; `keep` is to follow. */
  set(on: boolean): void;
  /** Keeps what was set for the next start, and tells it in the log. Never rejects: a failure is the answer's. */
  keep(): Promise<CommandResult>;
}

export interface PauseOptions {
  /** Where it is kept over restarts; undefined: nowhere. */
  readonly record: PauseRecord | undefined;
  readonly logger: Logger;
  /** Whether `resume` can be said over MQTT. */
  readonly commands: boolean;
}

/** Paused, if the run before was; never rejects. */
export async function readPause({ record, logger, commands }: PauseOptions): Promise<Pause> {
  const found = await record?.read();
  let on = found?.paused ?? false;
  let begins = new AbortController();
  if (on) begins.abort();
  let waiting: (() => void)[] = [];
  if (on) {
    const deaf = commands ? "" : " (which mqtt.commands: false keeps from being taken)";
    const message = `paused, as before the last stop, until the command resume${deaf}`;
    if (found?.doubt === null) logger.info({}, message);
    else logger.warn({ reason: found?.doubt }, `${message}: in doubt the camera stays off`);
  }

  return {
    get on() {
      return on;
    },
    get begun() {
      return begins.signal;
    },
    over(signal) {
      if (!on || signal.aborted) return Promise.resolve();
      return new Promise((resolve) => {
        waiting.push(resolve);
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
    },
    set(next) {
      if (next === on) return;
      on = next;
      if (on) {
        begins.abort();
        return;
      }
      begins = new AbortController();
      for (const resolve of waiting) resolve();
      waiting = [];
    },
    async keep() {
      const now = on;
      const done = now ? "paused" : "resumed";
      const trouble = await record?.keep(now);
      if (trouble) {
        const error = now
          ? `paused, but a restart would forget it: ${trouble}`
          : `resumed, but a restart would be paused again: ${trouble}`;
        logger.error({ reason: trouble }, error);
        return { ok: false, error };
      }
      logger.info({}, done);
      if (record === undefined && now)
        logger.warn({}, "without $STATE_DIRECTORY there is nowhere to keep a pause: a restart ends it");
      return { ok: true };
    },
  };
}
