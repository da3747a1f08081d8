import { describe, expect, it } from "vitest";
import { planFaults } from "../../scripts/faults/plan.js";
import { seeded } from "../../scripts/faults/seeded.js";
import { episodesOf, judge, type Life } from "../../scripts/faults/verdict.js";
import type { EmotionEvent } from "../../src/events/schema.js";
import { sampleEvent } from "./support/samples.js";

const [FIRST, SECOND] = ["01KAQ0000000000000000000A0", "01KAQ0000000000000000000B0"];
const START = Date.parse("2026-01-01T00:00:00.000Z");
const at = (ms: number) => new Date(START + ms).toISOString();

/** A face of three events, a second apart from `from` on. */
function face(boot: string, from: number, firstSeq: number): EmotionEvent[] {
  return (["new", "update", "end"] as const).map((type, i) =>
    sampleEvent(firstSeq + i, { boot, type, track: `${boot}-${firstSeq}`, time: at(from + 1000 * i) }),
  );
}
const received = [...face(FIRST, 0, 1), ...face(FIRST, 5000, 4), ...face(SECOND, 10_000, 1)];
const lives: Life[] = [
  { boot: FIRST, counted: [{ at: START + 7000, events: 6 }], killedAt: START + 9000 },
  { boot: SECOND, counted: [{ at: START + 12_000, events: 3 }], killedAt: null },
];
const episodes = [0, 5000, 10_000].map((from) => ({ from: START + from, to: START + from + 2000 }));
const verdict = (events: readonly EmotionEvent[]) =>
  judge(events, lives, episodes, (event) => Date.parse(event.time));
const without = (...gone: number[]) => received.filter((_, i) => !gone.includes(i));

describe("the verdict on a run of faults", () => {
  it("finds nothing wrong where nothing is, and counts repeats", () => {
    const good = { lost: 0, outOfOrder: 0, withoutEnd: 0, unseen: 0, events: 9, details: [] };
    expect(verdict(received)).toMatchObject({ ...good, repeated: 0, replayed: 0 });
    const again = received.map((event) => ({ ...event, replayed: true }));
    expect(verdict([...received, ...again])).toMatchObject({ ...good, repeated: 9, replayed: 9 });
  });

  it("finds a gap, and what was counted and never came", () => {
    expect(verdict(without(1))).toMatchObject({ lost: 1, details: [`lost: ${FIRST} 2 of 6`] });
    expect(verdict(without(5))).toMatchObject({ lost: 1 });
    expect(verdict(without(6, 7, 8))).toMatchObject({ lost: 3, unseen: 1 });
  });

  it("finds what came in another order", () => {
    const [first, second, ...rest] = received;
    if (first === undefined || second === undefined) throw new Error("no events");
    expect(verdict([second, first, ...rest])).toMatchObject({ outOfOrder: 1, lost: 0 });
  });

  it("finds a face that was not seen, and one that did not end", () => {
    expect(verdict(without(3, 4, 5))).toMatchObject({ unseen: 1 });
    expect(verdict(without(8))).toMatchObject({ withoutEnd: 1, lost: 1 });
    // A daemon that was killed had no time to say so.
    expect(verdict(without(5))).toMatchObject({ withoutEnd: 0 });
  });

  it("knows from the camera's record when it showed a face", () => {
    const record = [...Array(30).keys()].map((i) => `${START + 200 * i} ${i >= 5 && i < 20 ? 1 : 0}`);
    expect(episodesOf(record.join("\n"), 2500)).toEqual([{ from: START + 1000, to: START + 3800 }]);
    // A camera that stood still for a second showed nothing for certain.
    expect(episodesOf(record.filter((_, i) => i < 10 || i > 15).join("\n"), 2500)).toEqual([]);
  });
});

describe("the plan of a run of faults", () => {
  it("is decided by its seed, and stays in its bounds", () => {
    const plan = (seed: number) => planFaults(200, () => true, seeded(seed));
    expect(plan(1)).toEqual(plan(1));
    expect(plan(1)).not.toEqual(plan(2));
    const cuts = plan(1).filter(({ kind }) => kind === "network-cut");
    expect(cuts.length).toBeGreaterThan(10);
    for (const { ms } of cuts) expect(ms >= 100 && ms <= 20_000).toBe(true);
    const kinds = new Set(plan(1).map(({ kind }) => kind));
    expect(kinds.size).toBe(9);
    expect(
      new Set(planFaults(200, (kind) => kind !== "disk-full", seeded(1)).map(({ kind }) => kind)).size,
    ).toBe(8);
  });
});
