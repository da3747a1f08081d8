import type { Logger } from "../base/logger.js";

/** Why an event is dropped that the broker has not taken. */
export type DropReason = "maxEvents" | "maxAge" | "damaged" | "refused";

/** Counts what an outbox drops, and says so: at once, then at most a line every ten seconds with the sum of those since. */
export interface DropTeller {
  add(reason: DropReason, events?: number): void;
  /** Since the start. */
  count(): number;
  /** Says what has not been said yet. */
  close(): void;
}

const WORDS: Readonly<Record<DropReason, string>> = {
  maxEvents: "more wait than mqtt.outbox.maxEvents",
  maxAge: "they have waited longer than mqtt.outbox.maxAge",
  damaged: "they are damaged on disk",
  refused: "the broker never takes them",
};
/** Milliseconds. */
const EVERY = 10_000;

export function dropTeller(log: Logger | undefined, every = EVERY): DropTeller {
  let count = 0;
  let untold = new Map<DropReason, number>();
  let timer: NodeJS.Timeout | undefined;

  function tell(): void {
    timer = undefined;
    if (untold.size === 0) return;
    for (const [reason, events] of untold) {
      log?.warn({ events, dropped: count }, `outbox: the oldest events are dropped: ${WORDS[reason]}`);
    }
    untold = new Map();
    timer = setTimeout(tell, every);
    timer.unref();
  }

  return {
    add(reason, events = 1) {
      if (events === 0) return;
      count += events;
      untold.set(reason, (untold.get(reason) ?? 0) + events);
      // Together with what is dropped in the same breath.
      timer ??= setTimeout(tell, 0).unref();
    },
    count: () => count,
    close() {
      clearTimeout(timer);
      tell();
      clearTimeout(timer);
    },
  };
}
