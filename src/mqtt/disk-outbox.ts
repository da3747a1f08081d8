import type { Logger } from "../base/logger.js";
import { backlog } from "./backlog.js";
import { dropTeller } from "./drops.js";
import type { Outbox, OutboxLimits } from "./outbox.js";
import { outboxDisk } from "./outbox-disk.js";

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

/**
 * An outbox that writes to disk only what the broker has not acknowledged within `diskAfter` seconds: while the
 * broker answers, nothing is written at all. Once nothing on disk waits any more, the store is removed: LevelDB would
 * keep what was delivered readable until it compacts. When the disk fails, that is said once, memory goes on alone, and
 * the disk is tried again from time to time.
 */
export function diskOutbox(options: DiskOutboxOptions): Outbox {
  const { path, maxEvents, maxAge, log } = options;
  const now = options.now ?? (() => performance.now());
  const drops = dropTeller(log);
  const waiting = backlog({
    maxEvents,
    maxAge,
    onDrop: drops.add,
    onForgotten: (key) => disk.forget(key),
  });
  const disk = outboxDisk(waiting, {
    path,
    log,
    diskAfter: options.diskAfter * 1000,
    memoryEvents: options.memoryEvents ?? 2000,
    retryAfter: options.retryAfter ?? 10_000,
    now,
  });
  return {
    start: disk.start,
    add(event) {
      disk.keep(waiting.add(JSON.stringify(event), now()));
    },
    take() {
      if (!disk.begun()) return undefined;
      disk.readAhead();
      // What is on a failed disk comes later, out of order: better than to keep back what is in memory.
      return waiting.take(now(), !disk.readable());
    },
    acknowledge: waiting.acknowledge,
    discard: waiting.discard,
    release: waiting.release,
    prune: () => waiting.prune(now()),
    size: waiting.size,
    dropped: drops.count,
    async close(timeoutMs) {
      drops.close();
      await disk.close(timeoutMs);
    },
  };
}
