import type { Logger } from "../base/logger.js";
import type { EmotionEvent } from "../events/schema.js";
import { backlog, type QueuedEvent } from "./backlog.js";
import { dropTeller } from "./drops.js";

export type { QueuedEvent } from "./backlog.js";

/** The events that the broker has not acknowledged, in order and bounded. No call waits or throws. */
export interface Outbox {
  /** Takes in the newest event; beyond the bounds the oldest goes, and is counted. */
  add(event: EmotionEvent): void;
  /** The oldest event that is not on its way, which now is; undefined when there is none. */
  take(): QueuedEvent | undefined;
  /** The broker has it: forget it. */
  acknowledge(taken: QueuedEvent): void;
  /** It will never be taken by the broker: forget it, and count it. */
  discard(taken: QueuedEvent): void;
  /** The connection is gone: all that were on their way wait again, in order, before all others. */
  release(): void;
  /** Drops what has waited longer than the greatest age, by a clock that cannot be set. */
  prune(): void;
  /** Events waiting and on their way. */
  size(): number;
  /** Events dropped since the start. */
  dropped(): number;
  /**
   * Begins. `onAvailable` is called when `take`, having given none, may give one again: what is on a disk comes in its
   * own time.
   */
  start(onAvailable: () => void): void;
  /** Ends the outbox; what a disk can keep is kept. Resolves within `timeoutMs`. */
  close(timeoutMs: number): Promise<void>;
}

export interface OutboxLimits {
  readonly maxEvents: number;
  /** Seconds. */
  readonly maxAge: number;
}

/** An outbox in memory alone. `now` gives milliseconds of a clock that never goes back. */
export function memoryOutbox(
  { maxEvents, maxAge, log }: OutboxLimits & { readonly log?: Logger },
  now: () => number = () => performance.now(),
): Outbox {
  const drops = dropTeller(log);
  const waiting = backlog({ maxEvents, maxAge, onDrop: drops.add });
  return {
    add(event) {
      waiting.add(JSON.stringify(event), now());
    },
    take: () => waiting.take(now(), false),
    acknowledge: waiting.acknowledge,
    discard: waiting.discard,
    release: waiting.release,
    prune: () => waiting.prune(now()),
    size: waiting.size,
    dropped: drops.count,
    start() {},
    async close() {
      drops.close();
    },
  };
}
