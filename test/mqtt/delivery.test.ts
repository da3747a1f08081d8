import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Delivery as Answer, Connection } from "../../src/mqtt/connection.js";
import { deliverFrom } from "../../src/mqtt/delivery.js";
import { refusal } from "../../src/mqtt/failure.js";
import { memoryOutbox } from "../../src/mqtt/outbox.js";
import { sampleEvent } from "./support/samples.js";

const LIMITS = { lateAfter: 1000, freshFor: 2500, window: 8, refusedPause: 3000 };
const RECEIVE_MAXIMUM = 12;

const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant("event" as const), n: fc.integer({ min: 1, max: 6 }) }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant("answer" as const), n: fc.integer({ min: 1, max: 6 }) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant("wait" as const), n: fc.integer({ min: 10, max: 3000 }) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("connect" as const), n: fc.constant(0) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("lose" as const), n: fc.constant(0) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("refuse" as const), n: fc.constant(0) }) },
);

beforeEach(() => {
  vi.useFakeTimers({
    toFake: ["setTimeout", "clearTimeout", "setImmediate", "clearImmediate", "performance"],
  });
});
afterEach(() => {
  vi.useRealTimers();
});

interface Sent {
  readonly seq: number;
  readonly replayed: boolean;
  readonly answer: (answer: Answer) => void;
}

/** A broker of which nothing is known but what a connection tells; it checks everything that it is sent. */
function bench() {
  const outbox = memoryOutbox({ maxEvents: 10_000, maxAge: 86_400 });
  const delivery = deliverFrom(outbox, {
    topic: "event",
    maxAge: 86_400,
    ...LIMITS,
    onDelivered() {},
    onRefused() {},
  });
  const madeAt = new Map<number, number>();
  const acknowledged = new Set<number>();
  /** Sent on a connection that is gone, or refused there. */
  const triedBefore = new Set<number>();
  let made = 0;
  let current: Connection | undefined;
  let onTheWay: Sent[] = [];
  let greatest = 0;
  const flags: boolean[] = [];

  function lose(): void {
    for (const { seq } of onTheWay) triedBefore.add(seq);
    current = undefined;
    onTheWay = [];
    delivery.disconnected();
  }

  function connect(): void {
    if (current !== undefined) lose();
    greatest = 0;
    const connection: Connection = {
      version: 5,
      receiveMaximum: RECEIVE_MAXIMUM,
      maximumPacketSize: 1_000_000,
      publish(message, done) {
        expect(connection).toBe(current);
        const { seq, replayed } = JSON.parse(String(message.payload)) as Sent;
        expect(seq).toBeGreaterThan(greatest);
        greatest = seq;
        flags.push(replayed);
        const age = performance.now() - (madeAt.get(seq) ?? 0);
        if (age > LIMITS.lateAfter || triedBefore.has(seq)) expect(replayed).toBe(true);
        expect(message.properties?.messageExpiryInterval === undefined).toBe(!replayed);
        onTheWay.push({ seq, replayed, answer: (answer) => done?.(answer) });
        expect(onTheWay.length).toBeLessThanOrEqual(RECEIVE_MAXIMUM - 6);
      },
      subscribe() {},
      unsubscribe() {},
      congested: () => false,
      close: () => Promise.resolve(),
      abort: lose,
    };
    current = connection;
    delivery.connected(connection);
  }

  return {
    connect,
    lose,
    event() {
      made += 1;
      madeAt.set(made, performance.now());
      outbox.add(sampleEvent(made));
      delivery.pump();
    },
    /** The oldest that waits for an answer gets it. */
    answer(answer: Answer) {
      const sent = onTheWay.shift();
      if (sent === undefined) return;
      if (answer.outcome === "acknowledged") acknowledged.add(sent.seq);
      else {
        // All that is on its way is sent again, in order.
        for (const { seq } of [sent, ...onTheWay]) triedBefore.add(seq);
        onTheWay = [];
        greatest = 0;
      }
      sent.answer(answer);
    },
    /** As time passes, with the client's own ticks. */
    wait(ms: number) {
      for (let left = ms; left > 0; left -= 50) {
        vi.advanceTimersByTime(Math.min(50, left));
        delivery.pump();
        // What claims to be fresh is not left on its way for longer.
        for (const { seq, replayed } of onTheWay) {
          const age = performance.now() - (madeAt.get(seq) ?? 0);
          if (!replayed) expect(age).toBeLessThanOrEqual(LIMITS.freshFor + 50);
        }
      }
    },
    size: () => outbox.size(),
    missing: () => Array.from({ length: made }, (_, i) => i + 1).filter((seq) => !acknowledged.has(seq)),
    /** Whether each message that was sent says `replayed`. */
    flags,
    busy: () => onTheWay.length > 0,
  };
}

describe("delivery, whatever the broker does", () => {
  it("sends in order, never too many, never something old as fresh, and in the end everything", () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 5, maxLength: 60 }), (steps) => {
        const one = bench();
        for (const { do: what, n } of steps) {
          if (what === "event") for (let i = 0; i < n; i++) one.event();
          else if (what === "answer") for (let i = 0; i < n; i++) one.answer({ outcome: "acknowledged" });
          else if (what === "wait") one.wait(n);
          else if (what === "connect") one.connect();
          else if (what === "lose") one.lose();
          else one.answer({ outcome: "refused", reason: 0x97, failure: refusal(0x97) });
        }
        one.connect();
        for (let i = 0; one.size() > 0 && i < 1000; i++) {
          if (one.busy()) one.answer({ outcome: "acknowledged" });
          else one.wait(100);
        }
        expect(one.missing()).toEqual([]);
      }),
      { numRuns: Number(process.env.DELIVERY_RUNS ?? 300) },
    );
  });

  it("says replayed of everything from a late answer on, until one is quick", () => {
    const one = bench();
    const answer = () => one.answer({ outcome: "acknowledged" });
    one.connect();
    one.event();
    one.wait(LIMITS.freshFor + 100);
    expect(one.busy()).toBe(false);
    one.connect();
    one.wait(LIMITS.lateAfter + 200);
    one.event();
    answer();
    answer();
    one.event();
    answer();
    expect(one.flags).toEqual([false, true, true, false]);
    expect(one.missing()).toEqual([]);
  });
});
