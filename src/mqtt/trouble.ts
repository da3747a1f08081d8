import type { Logger } from "../base/logger.js";
import type { ConnectionFailure } from "./failure.js";

/** Tells of what goes wrong with the broker: each trouble once, until it is forgotten. */
export interface TroubleTeller {
  tell(what: string, failure: ConnectionFailure): void;
  /** From now on each trouble is news again. */
  forget(): void;
}

/** Different troubles that are remembered; more than a broker can think of. */
const REMEMBERED = 100;

export function troubleTeller(log: Logger, broker: string): TroubleTeller {
  const told = new Set<string>();
  return {
    tell(what, failure) {
      const details = { broker, code: failure.code };
      const line = `${what}: ${failure.message}`;
      if (told.has(line)) log.debug(details, line);
      else log.warn(details, line);
      if (told.size < REMEMBERED) told.add(line);
    },
    forget: () => told.clear(),
  };
}
