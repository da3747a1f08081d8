import type { Waiting } from "./backlog.js";
import { type EventStore, type Stored, storeKey } from "./event-store.js";
import { fifo } from "./fifo.js";

/** What is to be written to the store, and what deleted there. */
export interface WriteBehind {
  add(entry: Waiting): void;
  forget(key: string): void;
  /** The oldest that is still to be written. */
  oldest(): Waiting | undefined;
  /** Whether there are keys to be deleted. */
  mustDelete(): boolean;
  /** The store has been removed: there is nothing to delete in it. */
  deletedAll(): void;
  /** The next keys come after this one, of an earlier run. */
  continueAfter(key: string): void;
  /** Writes all, and deletes. @throws the store's error; then all of it is still to be done. */
  write(store: EventStore): Promise<void>;
  /** Only deletes. @throws as `write` */
  delete(store: EventStore): Promise<void>;
}

/** `encode` gives an event as it is written; `onWritten` is told of each, with its key. */
export function writeBehind(
  encode: (entry: Waiting) => string,
  onWritten: (entry: Waiting, key: string) => void,
): WriteBehind {
  /** Without a key, in order; those that are gone are passed over. */
  const unwritten = fifo<Waiting>();
  let deletes: string[] = [];
  let nextOrder = 1;

  function oldest(): Waiting | undefined {
    while (unwritten.peek()?.gone) unwritten.shift();
    return unwritten.peek();
  }

  async function change(store: EventStore, entries: readonly Waiting[]): Promise<void> {
    const deleted = deletes;
    deletes = [];
    const puts = entries.map((entry): Stored => ({ key: storeKey(nextOrder++), value: encode(entry) }));
    try {
      await store.write(puts, deleted);
    } catch (error) {
      unwritten.unshift(entries);
      deletes = [...deleted, ...deletes];
      throw error;
    }
    entries.forEach((entry, i) => {
      const key = puts[i]?.key;
      if (key !== undefined) onWritten(entry, key);
    });
  }

  return {
    add(entry) {
      // So that what the broker takes at once does not pile up here.
      oldest();
      unwritten.push(entry);
    },
    forget(key) {
      deletes.push(key);
    },
    oldest,
    mustDelete: () => deletes.length > 0,
    deletedAll() {
      deletes = [];
    },
    continueAfter(key) {
      nextOrder = Math.max(nextOrder, Number(key) + 1);
    },
    write(store) {
      const entries = unwritten.splice(0).filter((entry) => !entry.gone);
      return change(store, entries);
    },
    delete: (store) => change(store, []),
  };
}
