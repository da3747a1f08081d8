import type { Logger } from "../base/logger.js";
import type { EmotionEvent } from "../events/schema.js";
import { dropTeller } from "./drops.js";
import { fifo } from "./fifo.js";

/** An event taken out of the outbox to be sent, until it is acknowledged or released. */
export interface QueuedEvent {
  readonly event: EmotionEvent;
  /** Milliseconds since it was handed in. */
  readonly age: number;
  /** It has been on a connection that broke, or comes from before a restart. */
  readonly retried: boolean;
}

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

/** An event that waits, as both outboxes keep it, handed out to be sent. */
export function queued(
  entry: { readonly json: string; readonly addedAt: number; readonly retried: boolean },
  at: number,
): QueuedEvent {
  return { event: JSON.parse(entry.json) as EmotionEvent, age: at - entry.addedAt, retried: entry.retried };
}

interface Entry {
  /** JSON: a tenth of the memory of the object, which counts when 100,000 of them wait. */
  readonly json: string;
  /** Milliseconds, of the clock that never goes back. */
  readonly addedAt: number;
  retried: boolean;
}

/** An outbox in memory alone. `now` gives milliseconds of a clock that never goes back. */
export function memoryOutbox(
  { maxEvents, maxAge, log }: OutboxLimits & { readonly log?: Logger },
  now: () => number = () => performance.now(),
): Outbox {
  const waiting = fifo<Entry>();
  let onTheWay = new Map<QueuedEvent, Entry>();
  const drops = dropTeller(log);

  const size = () => waiting.length() + onTheWay.size;

  function dropOldest(): void {
    const oldestOnTheWay = onTheWay.keys().next();
    if (oldestOnTheWay.done) waiting.shift();
    else onTheWay.delete(oldestOnTheWay.value);
    drops.add("maxEvents");
  }

  return {
    add(event) {
      waiting.push({ json: JSON.stringify(event), addedAt: now(), retried: false });
      while (size() > maxEvents) dropOldest();
    },
    take() {
      const entry = waiting.shift();
      if (entry === undefined) return undefined;
      const taken = queued(entry, now());
      onTheWay.set(taken, entry);
      return taken;
    },
    acknowledge(taken) {
      onTheWay.delete(taken);
    },
    discard(taken) {
      if (onTheWay.delete(taken)) drops.add("refused");
    },
    release() {
      const back = [...onTheWay.values()];
      for (const entry of back) entry.retried = true;
      onTheWay = new Map();
      waiting.unshift(back);
    },
    prune() {
      const oldest = now() - maxAge * 1000;
      for (
        let entry = waiting.peek();
        entry !== undefined && entry.addedAt < oldest;
        entry = waiting.peek()
      ) {
        waiting.shift();
        drops.add("maxAge");
      }
    },
    size,
    dropped: drops.count,
    start() {},
    async close() {
      drops.close();
    },
  };
}
