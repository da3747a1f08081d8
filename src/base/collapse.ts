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
   * one line. `write` is given the number of calls that its line stands for. `kind` keeps apart, in a flood of more
   * messages than there is room for, what should not be hidden by the rest; there are few of them.
   */
  offer(key: string, write: (times: number) => void, kind?: string): void;
  /** Writes everything that is held back. */
  flush(): void;
}

interface Held {
  since: number;
  times: number;
  write: (times: number) => void;
}

/**
 * Turns a flood of one message into one line a period. A flood of different ones is bounded, too, in memory and in
 * lines: past `maxKeys` of them in a period the rest of each kind share one line, which is the newest's.
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

  return {
    offer(key, write, kind = "") {
      const now = clock.now();
      // A place becomes free when nothing has come for a period. No message begins with a line feed.
      const place = held.has(key) || held.size < maxKeys ? key : `\n${kind}`;
      const entry = held.get(place);
      if (entry === undefined) {
        held.set(place, { since: now, times: 0, write });
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
