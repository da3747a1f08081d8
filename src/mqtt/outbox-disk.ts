import type { Logger } from "../base/logger.js";
import type { Backlog, Gap, Waiting } from "./backlog.js";
import {
  destroyEventStore,
  type EventStore,
  openEventStore,
  probeDisk,
  storeExists,
  storeFailure,
} from "./event-store.js";
import { oneAtATime } from "./one-at-a-time.js";
import { storedEvents } from "./stored-event.js";
import { writeBehind } from "./write-behind.js";

/** Times in milliseconds. */
export interface OutboxDiskOptions {
  readonly path: string;
  readonly log: Logger;
  /** How long an event may wait before it is written. */
  readonly diskAfter: number;
  readonly memoryEvents: number;
  /** How long a disk that failed is left alone. */
  readonly retryAfter: number;
  /** Of a clock that never goes back. */
  readonly now: () => number;
}

/** The disk behind a backlog: writes what waits too long, reads it again, and removes all when it is empty. */
export interface OutboxDisk {
  /** `onAvailable` is called when there may be something to take again. */
  start(onAvailable: () => void): void;
  /** Writes it in its time, unless it has gone by then. */
  keep(entry: Waiting): void;
  /** The event at `key` is not needed any more. */
  forget(key: string): void;
  /** False while what is there must come first, and is not known yet. */
  begun(): boolean;
  /** Whether what is on disk alone can be read. */
  readable(): boolean;
  /** Reads from the gap what will soon be taken. */
  readAhead(): void;
  /** Writes what has not been written, within `timeoutMs`. */
  close(timeoutMs: number): Promise<void>;
}

/** Entries read from disk at a time. */
const READ_AT_ONCE = 512;
/** Milliseconds in which the store must have been opened; from then on delivery begins without it. */
const OPEN_WITHIN = 5000;
/** Milliseconds after which deletions are written that no write has taken along, or the empty store is removed. */
const DELETE_AFTER = 1000;

export function outboxDisk(waiting: Backlog, options: OutboxDiskOptions): OutboxDisk {
  const { path, log, now } = options;
  const stored = storedEvents(now);
  const writing = writeBehind(({ json, addedAt }) => stored.encode(json, addedAt), waiting.written);
  const work = oneAtATime(async () => {
    await attempt(false);
    return nextIn();
  }, now);

  /**
   * `absent`: there is nothing on disk, and no need of it yet. `opening`: what is there must come first, so nothing
   * is given out. `failed`: memory alone, until `retryAt`.
   */
  let disk: "absent" | "opening" | "open" | "failed" = "absent";
  let store: EventStore | undefined;
  /** What an earlier run left on disk has been looked at. */
  let looked = false;
  let retryAt = 0;
  let toldOf: string | undefined;
  let available = () => {};

  /** Before the first look at the disk nobody knows what is there. */
  const isEmpty = () => looked && waiting.nothingOnDisk();
  const wanted = (): Gap | null => (store === undefined ? null : waiting.wanted());

  async function attempt(all: boolean): Promise<void> {
    try {
      await step(all);
    } catch (error) {
      fail(error);
    }
  }

  /** What is to be done on disk now; `all`: also what could wait, and nothing is read any more. */
  async function step(all: boolean): Promise<void> {
    if (disk === "failed" && now() < retryAt && !all) {
      // A full disk can still be read.
      await load();
      return;
    }
    const oldest = writing.oldest();
    const due = oldest !== undefined && (all || now() - oldest.addedAt >= options.diskAfter);
    if (disk === "opening" || disk === "failed" || (disk === "absent" && due)) await open();
    if (store === undefined) return;
    if (due) {
      await writing.write(store);
      waiting.evict(options.memoryEvents);
    }
    if (isEmpty()) await remove();
    else if (writing.mustDelete()) await writing.delete(store);
    if (!all) await load();
  }

  /** Milliseconds until there is something to do; null: when told of something new. */
  function nextIn(): number | null {
    if (wanted() !== null) return 0;
    if (disk === "failed") return Math.max(0, retryAt - now());
    const oldest = writing.oldest();
    if (oldest !== undefined) return Math.max(0, oldest.addedAt + options.diskAfter - now());
    return writing.mustDelete() ? DELETE_AFTER : null;
  }

  async function open(): Promise<void> {
    if (store !== undefined && !isEmpty()) await probeDisk(path);
    await store?.close().catch(() => {});
    store = undefined;
    // A disk that ran full is emptied by removing files: that needs no room, as writing deletions would.
    if (disk === "failed" && isEmpty()) {
      await destroyEventStore(path).catch(() => {});
      writing.deletedAll();
    }
    const opened = await openEventStore(path);
    const first = !looked;
    looked = true;
    store = opened.store;
    if (opened.damage !== null) log.warn({ path }, `outbox: ${opened.damage}`);
    if (opened.last !== "") writing.continueAfter(opened.last);
    if (first && opened.count > 0) {
      waiting.foundOnDisk(opened.count, opened.last);
      log.info({ path, waiting: opened.count }, "outbox: events of an earlier run wait to be delivered");
    }
    if (toldOf !== undefined) log.info({ path }, "outbox: the disk works again");
    toldOf = undefined;
    disk = "open";
    available();
  }

  async function remove(): Promise<void> {
    await store?.close();
    store = undefined;
    disk = "absent";
    writing.deletedAll();
    await destroyEventStore(path);
  }

  async function load(): Promise<void> {
    const gap = wanted();
    if (store === undefined || gap === null) return;
    const found = await store.read(gap.after, gap.upTo, READ_AT_ONCE).catch(async (error: unknown) => {
      await store?.close().catch(() => {});
      store = undefined;
      throw error;
    });
    const events = found.map(({ key, value }) => ({
      key,
      event: value === null ? null : stored.decode(value),
    }));
    for (const key of waiting.loaded(events, found.length < READ_AT_ONCE)) {
      log.warn({ path, key }, "outbox: a damaged event is dropped");
    }
    waiting.prune(now());
    available();
  }

  function fail(error: unknown): void {
    const { code, message } = storeFailure(error, path);
    const line = `outbox: ${message}; until then events wait in memory alone, and a restart loses them`;
    if (toldOf !== code) log.error({ path, code }, line);
    else log.debug({ path, code }, line);
    toldOf = code;
    disk = "failed";
    retryAt = now() + options.retryAfter;
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
      work.plan(0);
    },
    keep(entry) {
      writing.add(entry);
      work.plan(options.diskAfter);
    },
    forget(key) {
      writing.forget(key);
      work.plan(DELETE_AFTER);
    },
    begun: () => disk !== "opening",
    readable: () => store !== undefined,
    readAhead() {
      if (!work.busy() && wanted() !== null) work.plan(0);
    },
    async close(timeoutMs) {
      const deadline = now() + timeoutMs;
      await work.stop(deadline);
      const end = attempt(true).then(() => store?.close().catch(() => {}));
      await Promise.race([end, new Promise((resolve) => setTimeout(resolve, deadline - now()).unref())]);
    },
  };
}
