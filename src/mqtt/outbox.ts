import type { EmotionEvent } from "../events/schema.js";

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
  /** Drops what is beyond the greatest age. */
  prune(): void;
  /** Events waiting and on their way. */
  size(): number;
  /** Events dropped since the start. */
  dropped(): number;
  /** Ends the outbox; what a disk can keep is kept. */
  close(): Promise<void>;
}

export interface OutboxLimits {
  readonly maxEvents: number;
  /** Seconds. */
  readonly maxAge: number;
}

interface Entry {
  readonly order: number;
  /** JSON: a tenth of the memory of the object, which counts when 100,000 of them wait. */
  readonly json: string;
  /** Milliseconds, of the clock that never goes back. */
  readonly addedAt: number;
  retried: boolean;
}

/** An outbox in memory alone. `now` gives milliseconds of a clock that never goes back. */
export function memoryOutbox(
  { maxEvents, maxAge }: OutboxLimits,
  now: () => number = () => performance.now(),
): Outbox {
  let waiting: Entry[] = [];
  let head = 0;
  let onTheWay = new Map<QueuedEvent, Entry>();
  let order = 0;
  let dropped = 0;

  const size = () => waiting.length - head + onTheWay.size;

  function shift(): Entry | undefined {
    const entry = waiting[head];
    if (entry === undefined) return undefined;
    head += 1;
    // An array's own shift() moves every element: with 100,000 waiting that is felt.
    if (head > 1024 && head * 2 > waiting.length) {
      waiting = waiting.slice(head);
      head = 0;
    }
    return entry;
  }

  function dropOldest(): void {
    const oldestOnTheWay = onTheWay.keys().next();
    if (oldestOnTheWay.done) shift();
    else onTheWay.delete(oldestOnTheWay.value);
    dropped += 1;
  }

  return {
    add(event) {
      order += 1;
      waiting.push({ order, json: JSON.stringify(event), addedAt: now(), retried: false });
      while (size() > maxEvents) dropOldest();
    },
    take() {
      const entry = shift();
      if (entry === undefined) return undefined;
      const taken: QueuedEvent = {
        event: JSON.parse(entry.json) as EmotionEvent,
        age: now() - entry.addedAt,
        retried: entry.retried,
      };
      onTheWay.set(taken, entry);
      return taken;
    },
    acknowledge(taken) {
      onTheWay.delete(taken);
    },
    discard(taken) {
      if (onTheWay.delete(taken)) dropped += 1;
    },
    release() {
      const back = [...onTheWay.values()].sort((a, b) => a.order - b.order);
      for (const entry of back) entry.retried = true;
      onTheWay = new Map();
      waiting = [...back, ...waiting.slice(head)];
      head = 0;
    },
    prune() {
      const oldest = now() - maxAge * 1000;
      for (let entry = waiting[head]; entry !== undefined && entry.addedAt < oldest; entry = waiting[head]) {
        shift();
        dropped += 1;
      }
    },
    size,
    dropped: () => dropped,
    close: () => Promise.resolve(),
  };
}
