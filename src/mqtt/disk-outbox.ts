import type { Logger } from "../base/logger.js";
import { dropTeller } from "./drops.js";
import {
  destroyEventStore,
  type EventStore,
  type Found,
  openEventStore,
  probeDisk,
  type Stored,
  storeExists,
  storeFailure,
  storeKey,
} from "./event-store.js";
import { fifo } from "./fifo.js";
import { type Outbox, type OutboxLimits, type QueuedEvent, queued } from "./outbox.js";
import { storedEvents } from "./stored-event.js";

export interface DiskOutboxOptions extends OutboxLimits {
  /** Folder of the store; made when first needed. */
  readonly path: string;
  /** Seconds an event may wait before it is written to disk. */
  readonly diskAfter: number;
  readonly log: Logger;
  /** Events kept in memory beside those on disk; default 2000. */
  readonly memoryEvents?: number;
  /** Milliseconds before a disk that failed is tried again; default 10,000. */
  readonly retryAfter?: number;
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
}

interface Entry {
  readonly json: string;
  /** Of the clock that never goes back; for events of an earlier run the beginning of this one. */
  readonly addedAt: number;
  retried: boolean;
  /** Its key on disk, once it is there. */
  key?: string;
  /** Acknowledged or dropped. */
  gone: boolean;
}

/** Entries read from disk at a time, and how few in memory make more be read. */
const READ_AT_ONCE = 512;
const READ_BELOW = 128;
/** Milliseconds in which the store must have been opened; from then on delivery begins without it. */
const OPEN_WITHIN = 5000;
/** Milliseconds after which deletions are written that no write has taken along, or the empty store is removed. */
const DELETE_AFTER = 1000;

/**
 * An outbox that writes to disk only what the broker has not acknowledged within `diskAfter` seconds: while the
 * broker answers, nothing is written at all. In order, it consists of
 *
 *     on their way │ head (memory) │ gap (on disk alone) │ tail (memory)
 *
 * and the gap is empty until more wait than memory should hold. Once nothing on disk waits any more, the store is
 * removed: LevelDB would keep what was delivered readable until it compacts. When the disk fails, that is said once, memory goes
 * on alone, and the disk is tried again from time to time.
 */
export function diskOutbox(options: DiskOutboxOptions): Outbox {
  const { path, maxEvents, maxAge, log } = options;
  const diskAfter = options.diskAfter * 1000;
  const memoryEvents = options.memoryEvents ?? 2000;
  const retryAfter = options.retryAfter ?? 10_000;
  const now = options.now ?? (() => performance.now());
  const stored = storedEvents(now);
  const drops = dropTeller(log);

  let onTheWay = new Map<QueuedEvent, Entry>();
  const head = fifo<Entry>();
  const tail = fifo<Entry>();
  /** Keys after `after` up to `upTo`, the first `toDrop` of which are only still to be deleted. */
  const gap = { count: 0, after: "", upTo: "", toDrop: 0 };
  /** Entries without a key, in order; those that are gone are passed over. */
  const unwritten = fifo<Entry>();
  let deletes: string[] = [];
  let nextOrder = 1;
  /** What an earlier run left on disk has been looked at. */
  let looked = false;

  /**
   * `absent`: there is nothing on disk, and no need of it yet. `opening`: what is there must come first, so nothing
   * is given out. `failed`: memory alone, until `retryAfter`.
   */
  let disk: "absent" | "opening" | "open" | "failed" = "absent";
  let store: EventStore | undefined;
  let working = false;
  let closing = false;
  let timer: NodeJS.Timeout | undefined;
  let timerAt = 0;
  let retryAt = 0;
  let toldOf: string | undefined;
  let available = () => {};

  const size = () => onTheWay.size + head.length() + gap.count - gap.toDrop + tail.length();

  function forget(entry: Entry): void {
    entry.gone = true;
    if (entry.key === undefined) return;
    deletes.push(entry.key);
    plan(DELETE_AFTER);
  }

  function dropOldest(): void {
    drops.add("maxEvents");
    const first = onTheWay.entries().next();
    if (!first.done) {
      onTheWay.delete(first.value[0]);
      forget(first.value[1]);
      return;
    }
    const entry = head.shift();
    if (entry !== undefined) forget(entry);
    else if (gap.count > gap.toDrop) gap.toDrop += 1;
    else {
      const newer = tail.shift();
      if (newer !== undefined) forget(newer);
    }
  }

  function prune(): void {
    const oldest = now() - maxAge * 1000;
    for (let entry = head.peek(); entry !== undefined && entry.addedAt < oldest; entry = head.peek()) {
      head.shift();
      forget(entry);
      drops.add("maxAge");
    }
  }

  /** Runs `work` after `delay` milliseconds, or sooner if that is planned. */
  function plan(delay: number): void {
    if (closing || (timer !== undefined && timerAt <= now() + delay)) return;
    clearTimeout(timer);
    timerAt = now() + delay;
    timer = setTimeout(() => {
      timer = undefined;
      void work();
    }, delay);
    timer.unref();
  }

  async function work(): Promise<void> {
    if (working) return;
    working = true;
    try {
      await step(false);
    } catch (error) {
      fail(error);
    } finally {
      working = false;
    }
    planNext();
  }

  function planNext(): void {
    if (mustLoad()) {
      plan(0);
      return;
    }
    if (disk === "failed") {
      plan(Math.max(0, retryAt - now()));
      return;
    }
    const oldest = oldestUnwritten();
    if (oldest !== undefined) plan(Math.max(0, oldest.addedAt + diskAfter - now()));
    else if (deletes.length > 0) plan(DELETE_AFTER);
  }

  function oldestUnwritten(): Entry | undefined {
    while (unwritten.peek()?.gone) unwritten.shift();
    return unwritten.peek();
  }

  /** What is to be done on disk now; `all`: also what could wait. */
  async function step(all: boolean): Promise<void> {
    if (disk === "failed" && now() < retryAt && !all) {
      // A full disk can still be read.
      if (mustLoad()) await load();
      return;
    }
    const oldest = oldestUnwritten();
    const due = oldest !== undefined && (all || now() - oldest.addedAt >= diskAfter);
    if (disk === "opening" || disk === "failed" || (disk === "absent" && due)) await open();
    if (due) await persist();
    if (store !== undefined && nothingOnDisk()) await remove();
    else if (deletes.length > 0) await flushDeletes();
    if (!all && mustLoad()) await load();
  }

  function mustLoad(): boolean {
    return store !== undefined && gap.count > 0 && head.length() < READ_BELOW;
  }

  async function open(): Promise<void> {
    if (store !== undefined && !nothingOnDisk()) await probeDisk(path);
    await store?.close().catch(() => {});
    store = undefined;
    // A disk that ran full is emptied by removing files: that needs no room, as writing deletions would.
    if (disk === "failed" && nothingOnDisk()) {
      await destroyEventStore(path).catch(() => {});
      deletes = [];
    }
    const opened = await openEventStore(path);
    const first = !looked;
    looked = true;
    store = opened.store;
    if (opened.damage !== null) log.warn({ path }, `outbox: ${opened.damage}`);
    if (opened.last !== "") nextOrder = Math.max(nextOrder, Number(opened.last) + 1);
    if (first && opened.count > 0) {
      // Left by an earlier run, so older than all that came since.
      tail.unshift(head.splice(0));
      gap.count = opened.count;
      gap.upTo = opened.last;
      log.info({ path, waiting: opened.count }, "outbox: events of an earlier run wait to be delivered");
    }
    if (toldOf !== undefined) log.info({ path }, "outbox: the disk works again");
    toldOf = undefined;
    disk = "open";
    while (size() > maxEvents) dropOldest();
    available();
  }

  async function remove(): Promise<void> {
    await store?.close();
    store = undefined;
    disk = "absent";
    deletes = [];
    await destroyEventStore(path);
  }

  function nothingOnDisk(): boolean {
    // Before the first look at the disk nobody knows what is there.
    if (!looked || gap.count > 0) return false;
    const entries = [...onTheWay.values(), ...head.items(), ...tail.items()];
    return entries.every((entry) => entry.key === undefined);
  }

  async function persist(): Promise<void> {
    if (store === undefined) return;
    const entries = unwritten.splice(0).filter((entry) => !entry.gone);
    const deleted = deletes;
    deletes = [];
    const puts: Stored[] = entries.map((entry, i) => ({
      key: storeKey(nextOrder + i),
      value: stored.encode(entry.json, entry.addedAt),
    }));
    nextOrder += entries.length;
    try {
      await store.write(puts, deleted);
    } catch (error) {
      unwritten.unshift(entries);
      deletes = [...deleted, ...deletes];
      throw error;
    }
    entries.forEach((entry, i) => {
      const key = puts[i]?.key;
      if (key === undefined) return;
      entry.key = key;
      if (entry.gone) deletes.push(key);
    });
    evict();
  }

  async function flushDeletes(): Promise<void> {
    if (store === undefined) return;
    const deleted = deletes;
    deletes = [];
    try {
      await store.write([], deleted);
    } catch (error) {
      deletes = [...deleted, ...deletes];
      throw error;
    }
  }

  /** Leaves to the disk alone what it holds beyond the events that memory should. */
  function evict(): void {
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
      gap.count += 1;
      gap.upTo = entry.key;
    }
  }

  async function load(): Promise<void> {
    if (store === undefined) return;
    let found: readonly Found[];
    try {
      found = await store.read(gap.after, gap.upTo, READ_AT_ONCE);
    } catch (error) {
      await store.close().catch(() => {});
      store = undefined;
      throw error;
    }
    for (const { key, value } of found) {
      gap.count -= 1;
      gap.after = key;
      if (gap.toDrop > 0) {
        gap.toDrop -= 1;
        deletes.push(key);
        continue;
      }
      const decoded = value === null ? null : stored.decode(value);
      if (decoded !== null) {
        const { json, addedAt, earlierRun } = decoded;
        head.push({ json, addedAt, retried: earlierRun, key, gone: false });
      } else {
        deletes.push(key);
        drops.add("damaged");
        log.warn({ path, key }, "outbox: a damaged event is dropped");
      }
    }
    if (found.length < READ_AT_ONCE) {
      // Fewer than were counted: a repair has lost them.
      drops.add("damaged", Math.max(0, gap.count - gap.toDrop));
      gap.count = 0;
      gap.toDrop = 0;
    }
    if (gap.count === 0) {
      for (const entry of tail.splice(0)) head.push(entry);
    }
    prune();
    available();
  }

  function fail(error: unknown): void {
    const { code, message } = storeFailure(error, path);
    const line = `outbox: ${message}; until then events wait in memory alone, and a restart loses them`;
    if (toldOf !== code) log.error({ path, code }, line);
    else log.debug({ path, code }, line);
    toldOf = code;
    disk = "failed";
    retryAt = now() + retryAfter;
    available();
  }

  return {
    start(onAvailable) {
      available = onAvailable;
      if (!storeExists(path)) return;
      disk = "opening";
      setTimeout(() => {
        if (disk !== "opening") return;
        log.warn({ path }, "outbox: the disk is slow; delivery begins without what waits on it");
        disk = "absent";
        available();
      }, OPEN_WITHIN).unref();
      plan(0);
    },
    add(event) {
      const entry: Entry = { json: JSON.stringify(event), addedAt: now(), retried: false, gone: false };
      if (gap.count > 0) tail.push(entry);
      else head.push(entry);
      oldestUnwritten();
      unwritten.push(entry);
      while (size() > maxEvents) dropOldest();
      plan(diskAfter);
    },
    take() {
      if (disk === "opening") return undefined;
      if (mustLoad() && !working) plan(0);
      let entry = head.shift();
      // What is on a failed disk comes later, out of order: better than to keep back what is in memory.
      if (entry === undefined && (gap.count === 0 || store === undefined)) entry = tail.shift();
      if (entry === undefined) return undefined;
      const taken = queued(entry, now());
      onTheWay.set(taken, entry);
      return taken;
    },
    acknowledge(taken) {
      const entry = onTheWay.get(taken);
      if (entry === undefined) return;
      onTheWay.delete(taken);
      forget(entry);
    },
    discard(taken) {
      const entry = onTheWay.get(taken);
      if (entry === undefined) return;
      onTheWay.delete(taken);
      forget(entry);
      drops.add("refused");
    },
    release() {
      const back = [...onTheWay.values()];
      for (const entry of back) entry.retried = true;
      onTheWay = new Map();
      head.unshift(back);
    },
    prune,
    size,
    dropped: drops.count,
    async close(timeoutMs) {
      closing = true;
      drops.close();
      clearTimeout(timer);
      const deadline = now() + timeoutMs;
      while (working && now() < deadline) await new Promise((resolve) => setTimeout(resolve, 10));
      const end = async () => {
        try {
          await step(true);
        } catch (error) {
          fail(error);
        }
        await store?.close().catch(() => {});
      };
      await Promise.race([end(), new Promise((resolve) => setTimeout(resolve, deadline - now()).unref())]);
    },
  };
}
