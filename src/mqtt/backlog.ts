import type { EmotionEvent } from "../events/schema.js";
import type { DropReason } from "./drops.js";
import { fifo } from "./fifo.js";
import type { DecodedEvent } from "./stored-event.js";

/** An event that waits for the broker. */
export interface Waiting {
  /** JSON: a tenth of the memory of the object, which counts when 100,000 of them wait. */
  readonly json: string;
  /** Milliseconds of the clock that never goes back; for events of an earlier run the beginning of this one. */
  readonly addedAt: number;
  retried: boolean;
  /** Its key on disk, once it is there. */
  key?: string;
  /** Acknowledged or dropped. */
  gone: boolean;
}

/** An event taken out of the backlog to be sent, until it is acknowledged or released. */
export interface QueuedEvent {
  readonly event: EmotionEvent;
  /** Milliseconds since it was handed in. */
  readonly age: number;
  /** It has been on a connection that broke, or comes from before a restart. */
  readonly retried: boolean;
}

export interface BacklogOptions {
  readonly maxEvents: number;
  /** Seconds. */
  readonly maxAge: number;
  readonly onDrop: (reason: DropReason, events?: number) => void;
  /** An event that is on disk, at `key`, is not needed there any more. */
  readonly onForgotten?: (key: string) => void;
}

/** What is on disk alone: keys after `after` up to `upTo`. */
export interface Gap {
  readonly after: string;
  readonly upTo: string;
}

/**
 * The events that the broker has not acknowledged, in order and bounded:
 *
 *     on their way │ head (memory) │ gap (on disk alone) │ tail (memory)
 *
 * Without a disk the gap is empty, and all that waits is in the head. Pure: `at` is in milliseconds of a clock that
 * never goes back, and what is on disk is read and written by others.
 */
export interface Backlog {
  /** Takes in the newest event; beyond `maxEvents` the oldest goes. */
  add(json: string, at: number): Waiting;
  /** The oldest that is not on its way, which now is. `overGap`: what is on disk cannot be read, so go on behind it. */
  take(at: number, overGap: boolean): QueuedEvent | undefined;
  acknowledge(taken: QueuedEvent): void;
  /** The broker will never take it. */
  discard(taken: QueuedEvent): void;
  /** All that were on their way wait again, before all others. */
  release(): void;
  /** Drops what has waited longer than `maxAge`. */
  prune(at: number): void;
  /** Events waiting and on their way. */
  size(): number;
  /** An earlier run has left `count` events on disk, the last of them at `upTo`: they come before all that wait. */
  foundOnDisk(count: number, upTo: string): void;
  /** `entry` is on disk now, at `key`. */
  written(entry: Waiting, key: string): void;
  /** Leaves to the disk alone what is there beyond the `memoryEvents` that memory should hold. */
  evict(memoryEvents: number): void;
  /** What should be read from disk soon; null if nothing. */
  wanted(): Gap | null;
  /**
   * Takes in the next events of the gap; `last`: the disk has no more. Returns the keys of those that are damaged
   * (`event: null`).
   */
  loaded(found: readonly FoundEvent[], last: boolean): readonly string[];
  /** No event that is needed is on disk. */
  nothingOnDisk(): boolean;
}

export interface FoundEvent {
  readonly key: string;
  readonly event: DecodedEvent | null;
}

/** How few in the head make more be read from disk. */
const READ_BELOW = 128;

export function backlog(options: BacklogOptions): Backlog {
  const { maxEvents, onDrop, onForgotten = () => {} } = options;
  const maxAge = options.maxAge * 1000;
  let onTheWay = new Map<QueuedEvent, Waiting>();
  const head = fifo<Waiting>();
  const tail = fifo<Waiting>();
  /** The first `toDrop` of it are only still to be deleted. */
  const gap = { count: 0, after: "", upTo: "", toDrop: 0 };
  /** Events in memory that are on disk, too. */
  let onBoth = 0;

  const size = () => onTheWay.size + head.length() + gap.count - gap.toDrop + tail.length();

  function forget(entry: Waiting): void {
    entry.gone = true;
    if (entry.key === undefined) return;
    onBoth -= 1;
    onForgotten(entry.key);
  }

  function takeOff(taken: QueuedEvent): boolean {
    const entry = onTheWay.get(taken);
    if (entry === undefined) return false;
    onTheWay.delete(taken);
    forget(entry);
    return true;
  }

  function dropOldest(): void {
    onDrop("maxEvents");
    const first = onTheWay.keys().next();
    if (!first.done) {
      takeOff(first.value);
      return;
    }
    const inHead = head.shift();
    if (inHead === undefined && gap.count > gap.toDrop) {
      gap.toDrop += 1;
      return;
    }
    const oldest = inHead ?? tail.shift();
    if (oldest !== undefined) forget(oldest);
  }

  function keepWithinBounds(): void {
    while (size() > maxEvents) dropOldest();
  }

  function prune(at: number): void {
    for (let entry = head.peek(); entry !== undefined && at - entry.addedAt > maxAge; entry = head.peek()) {
      head.shift();
      forget(entry);
      onDrop("maxAge");
    }
  }

  function closeGap(): void {
    // A repair of the store may have lost some that were counted.
    onDrop("damaged", Math.max(0, gap.count - gap.toDrop));
    gap.count = 0;
    gap.toDrop = 0;
  }

  /** True if it is damaged. */
  function loadOne({ key, event }: FoundEvent): boolean {
    gap.count -= 1;
    gap.after = key;
    if (gap.toDrop > 0) {
      gap.toDrop -= 1;
      onForgotten(key);
      return false;
    }
    if (event === null) {
      onDrop("damaged");
      onForgotten(key);
      return true;
    }
    const { json, addedAt, earlierRun } = event;
    head.push({ json, addedAt, retried: earlierRun, key, gone: false });
    onBoth += 1;
    return false;
  }

  return {
    add(json, at) {
      const entry: Waiting = { json, addedAt: at, retried: false, gone: false };
      if (gap.count > 0) tail.push(entry);
      else head.push(entry);
      keepWithinBounds();
      return entry;
    },
    take(at, overGap) {
      let entry = head.shift();
      if (entry === undefined && (gap.count === 0 || overGap)) entry = tail.shift();
      if (entry === undefined) return undefined;
      const { json, addedAt, retried } = entry;
      const taken = { event: JSON.parse(json) as EmotionEvent, age: at - addedAt, retried };
      onTheWay.set(taken, entry);
      return taken;
    },
    acknowledge: takeOff,
    discard(taken) {
      if (takeOff(taken)) onDrop("refused");
    },
    release() {
      const back = [...onTheWay.values()];
      for (const entry of back) entry.retried = true;
      onTheWay = new Map();
      head.unshift(back);
    },
    prune,
    size,
    foundOnDisk(count, upTo) {
      tail.unshift(head.splice(0));
      gap.count = count;
      gap.upTo = upTo;
      keepWithinBounds();
    },
    written(entry, key) {
      entry.key = key;
      if (entry.gone) onForgotten(key);
      else onBoth += 1;
    },
    evict(memoryEvents) {
      if (gap.count === 0) {
        if (head.length() <= memoryEvents) return;
        const keep = Math.ceil(memoryEvents / 2);
        const after = head.items()[keep - 1]?.key;
        if (after === undefined) return;
        gap.after = after;
        tail.unshift(head.splice(keep));
      }
      for (let entry = tail.peek(); entry?.key !== undefined; entry = tail.peek()) {
        tail.shift();
        onBoth -= 1;
        gap.count += 1;
        gap.upTo = entry.key;
      }
    },
    wanted: () => (gap.count > 0 && head.length() < READ_BELOW ? { after: gap.after, upTo: gap.upTo } : null),
    loaded(found, last) {
      const damaged = found.filter(loadOne).map(({ key }) => key);
      if (last) closeGap();
      if (gap.count === 0) {
        for (const entry of tail.splice(0)) head.push(entry);
      }
      return damaged;
    },
    nothingOnDisk: () => gap.count === 0 && onBoth === 0,
  };
}
