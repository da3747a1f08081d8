import type { Logger } from "../base/logger.js";
import { commandSchemas, isCommandName } from "./commands.js";
import type { Connection } from "./connection.js";
import type { ConnectionFailure } from "./failure.js";
import { tokenBucket } from "./rate-limit.js";
import { commandName, type Topics } from "./topics.js";

/** What commands are subscribed to. */
export interface CommandSubscription {
  /** `wildcards`: whether the broker takes a filter for all commands; else those that there are are named. */
  connected(connection: Connection, wildcards: boolean): void;
  disconnected(): void;
  /** Told of the topic of each message. */
  message(topic: string): void;
}

/** Unknown commands at once, and a second from then on; what is beyond is a flood. */
const FLOOD = { burst: 1000, perSecond: 50 };
/** Milliseconds. */
const NARROW_FOR = 30_000;

/**
 * Subscribes to all commands, so that an unknown one is answered. In a flood of unknown ones it subscribes to those that
 * there are, each by its name, and to no other for a while: the broker then keeps the flood to itself. For a moment both
 * are subscribed to, so that no command is lost between.
 */
export function commandSubscription(
  topics: Topics,
  log: Logger,
  onRefused: (failure: ConnectionFailure) => void,
  narrowFor = NARROW_FOR,
): CommandSubscription {
  const all = [topics.commandFilter];
  const known = Object.keys(commandSchemas).map((name) => `${topics.root}/cmd/${name}`);
  const bucket = tokenBucket(FLOOD.burst, FLOOD.perSecond);
  let connection: Connection | undefined;
  let widen: NodeJS.Timeout | undefined;

  /**
   * Does not wait for the broker's answers, which come behind the flood: it takes one packet after the other. Where it
   * refuses some of `to`, `from` is taken back.
   */
  function change(from: readonly string[], to: readonly string[]): void {
    const current = connection;
    let takenBack = false;
    for (const filter of to) {
      current?.subscribe(filter, (refused) => {
        if (refused === null || takenBack) return;
        takenBack = true;
        onRefused(refused);
        for (const one of from) current.subscribe(one, () => {});
      });
    }
    current?.unsubscribe(from);
  }

  return {
    connected(current, wildcards) {
      // Without wildcards there are no unknown commands, and nothing to change.
      connection = wildcards ? current : undefined;
      for (const filter of wildcards ? all : known) {
        current.subscribe(filter, (refused) => {
          if (refused !== null) onRefused(refused);
        });
      }
    },
    disconnected() {
      connection = undefined;
      clearTimeout(widen);
      widen = undefined;
    },
    message(topic) {
      const name = commandName(topics, topic);
      if (name === null || isCommandName(name)) return;
      if (bucket.take(performance.now()) || widen !== undefined || connection === undefined) return;
      log.warn(
        { seconds: narrowFor / 1000 },
        "a flood of unknown commands: for a while only known ones are heard",
      );
      change(all, known);
      widen = setTimeout(() => {
        widen = undefined;
        change(known, all);
      }, narrowFor);
      widen.unref();
    },
  };
}
