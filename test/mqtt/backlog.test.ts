import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { backlog, type QueuedEvent, type Waiting } from "../../src/mqtt/backlog.js";
import { storeKey } from "../../src/mqtt/event-store.js";
import { sampleEvent } from "./support/samples.js";

const step = fc.record({
  do: fc.constantFrom(
    "add" as const,
    "take" as const,
    "acknowledge" as const,
    "release" as const,
    "write" as const,
    "read" as const,
  ),
  n: fc.integer({ min: 1, max: 60 }),
});

const MEMORY = 10;

/** A backlog with a disk that is a map, and what must be in it: the numbers of the newest events, in order. */
function bench(maxEvents: number) {
  const disk = new Map<string, Waiting>();
  const counts = { dropped: 0 };
  const waiting = backlog({
    maxEvents,
    maxAge: 3600,
    onDrop: (_reason, events = 1) => {
      counts.dropped += events;
    },
    onForgotten: (key) => expect(disk.delete(key)).toBe(true),
  });
  let unwritten: Waiting[] = [];
  let onTheWay: QueuedEvent[] = [];
  let model: number[] = [];
  let made = 0;
  let keys = 0;

  const take = () => {
    const taken = waiting.take(0, false);
    if (taken === undefined) return false;
    // Those that were dropped while on their way are no longer in the model.
    const kept = onTheWay.filter(({ event }) => model.includes(event.seq));
    expect(taken.event.seq).toBe(model[kept.length]);
    onTheWay = [...kept, taken];
    return true;
  };
  const read = (most: number) => {
    const gap = waiting.wanted();
    if (gap === null) return;
    const found = [...disk]
      .filter(([key]) => key > gap.after && key <= gap.upTo)
      .slice(0, most)
      .map(([key, { json, addedAt }]) => ({ key, event: { json, addedAt, earlierRun: false } }));
    expect(waiting.loaded(found, found.length < most)).toEqual([]);
  };
  const acknowledge = () => {
    const taken = onTheWay.shift();
    if (taken === undefined) return;
    waiting.acknowledge(taken);
    model = model.filter((seq) => seq !== taken.event.seq);
  };
  return {
    waiting,
    disk,
    counts,
    made: () => made,
    left: () => model.length,
    do: {
      add: (n: number) => {
        for (let i = 0; i < n; i++) {
          made += 1;
          unwritten.push(waiting.add(JSON.stringify(sampleEvent(made)), 0));
          model = [...model, made].slice(-maxEvents);
        }
      },
      take: (n: number) => {
        for (let i = 0; i < n && take(); i++);
      },
      acknowledge: (n: number) => {
        for (let i = 0; i < n; i++) acknowledge();
      },
      release: () => {
        waiting.release();
        onTheWay = [];
      },
      write: () => {
        for (const entry of unwritten) {
          if (entry.gone) continue;
          keys += 1;
          disk.set(storeKey(keys), entry);
          waiting.written(entry, storeKey(keys));
        }
        unwritten = [];
        waiting.evict(MEMORY);
      },
      read,
    },
  };
}

describe("a backlog", () => {
  it("gives all in order, drops the oldest alone, and forgets on disk what is gone, whatever comes in between", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.constantFrom(40, 10_000), (steps, maxEvents) => {
        const one = bench(maxEvents);
        for (const { do: what, n } of steps) {
          one.do[what](n);
          expect(one.waiting.size()).toBe(one.left());
          expect(one.waiting.size()).toBeLessThanOrEqual(maxEvents);
        }
        const acknowledgedAll = () => {
          one.do.release();
          one.do.read(7);
          one.do.take(60);
          one.do.acknowledge(60);
          return one.left() === 0;
        };
        for (let i = 0; i < 1000 && !acknowledgedAll(); i++);
        expect(one.left()).toBe(0);
        expect(one.waiting.size()).toBe(0);
        if (maxEvents === 10_000) expect(one.counts.dropped).toBe(0);
        // What was dropped out of the gap is deleted when it is read.
        for (let i = 0; i < 1000 && one.waiting.wanted() !== null; i++) one.do.read(7);
        expect(one.waiting.nothingOnDisk()).toBe(true);
        expect([...one.disk.keys()]).toEqual([]);
      }),
      { numRuns: 1000 },
    );
  });

  it("closes the gap where a repair has lost some of it, and counts them", () => {
    let damaged = 0;
    const waiting = backlog({
      maxEvents: 100,
      maxAge: 3600,
      onDrop: (reason, events = 1) => {
        if (reason === "damaged") damaged += events;
      },
    });
    waiting.foundOnDisk(5, storeKey(5));
    waiting.add(JSON.stringify(sampleEvent(9)), 0);
    expect(waiting.take(0, false)).toBeUndefined();
    expect(waiting.size()).toBe(6);
    const event = { json: JSON.stringify(sampleEvent(2)), addedAt: 0, earlierRun: true };
    const found = [
      { key: storeKey(1), event: null },
      { key: storeKey(2), event },
    ];
    expect(waiting.loaded(found, true)).toEqual([storeKey(1)]);
    expect(damaged).toBe(4);
    const taken = [waiting.take(0, false), waiting.take(0, false), waiting.take(0, false)];
    expect(taken.map((one) => one && [one.event.seq, one.retried])).toEqual([
      [2, true],
      [9, false],
      undefined,
    ]);
  });
});
