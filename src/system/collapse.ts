/** What a collapser needs of time; a test brings its own. */
export interface Clock {
  /** Milliseconds from any fixed point; never goes back. */
  now(): number;
  /** Calls `run` once after `ms`; the pending call does not keep the process alive. */
  after(ms: number, run: () => void): void;
}

/** The process's own monotonic clock. */
export const systemClock: Clock = {
  now: () => performance.now(),
  after: (ms, run) => {
    setTimeout(run, ms).unref();
  },
};

export interface Collapser {
  /**
   * Writes at once when `key` has not been seen for a period; else holds the call back, so that each period has
   * one line. `write` is given the number of calls that its line stands for.
   */
  offer(key: string, write: (times: number) => void): void;
  /** Writes everything that is held back. */
  flush(): void;
}

interface Held {
  since: number;
  times: number;
  write: (times: number) => void;
}

/**
 * Turns a flood of one message into one line a period. Memory is bounded: past `maxKeys` different messages, the
 * one that has waited longest is written out and forgotten.
 */
export function createCollapser({ clock = systemClock, periodMs = 1000, maxKeys = 200 } = {}): Collapser {
  const held = new Map<string, Held>();
  let ticking = false;

  function tick(): void {
    ticking = false;
    const now = clock.now();
    for (const [key, entry] of held) {
      if (now - entry.since < periodMs) continue;
      if (entry.times === 0) held.delete(key);
      else release(entry, now);
    }
    schedule();
  }

  function release(entry: Held, now: number): void {
    const { times } = entry;
    entry.times = 0;
    entry.since = now;
    entry.write(times);
  }

  function schedule(): void {
    if (ticking || held.size === 0) return;
    ticking = true;
    clock.after(periodMs, tick);
  }

  function makeRoom(): void {
    const oldest = held.entries().next().value;
    if (held.size < maxKeys || oldest === undefined) return;
    const [key, entry] = oldest;
    held.delete(key);
    if (entry.times > 0) entry.write(entry.times);
  }

  return {
    offer(key, write) {
      const now = clock.now();
      const entry = held.get(key);
      if (entry === undefined) {
        makeRoom();
        held.set(key, { since: now, times: 0, write });
        schedule();
        write(1);
        return;
      }
      entry.times += 1;
      // The newest call's figures are the ones worth reading.
      entry.write = write;
      if (now - entry.since >= periodMs) release(entry, now);
    },
    flush() {
      for (const entry of held.values()) if (entry.times > 0) release(entry, clock.now());
      held.clear();
    },
  };
}
