import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { EMOTION_LABELS } from "../../src/base/labels.js";
import { createLifecycle, type Lifecycle, type ObservedFace, stateOf } from "../../src/events/lifecycle.js";
import { type EmotionEvent, eventSchema, stateSchema } from "../../src/events/schema.js";

const MODEL = { name: "test", version: "1" };
const SETTINGS = {
  device: "kitchen",
  boot: ulid(0),
  minConfidence: 0.4,
  minDwell: 500,
  updateInterval: 5000,
};
const START = Date.UTC(2026, 0, 1);

function ulid(count: number): string {
  return count.toString().padStart(26, "0");
}

function lifecycle(settings: Partial<typeof SETTINGS> = {}): Lifecycle {
  let ids = 0;
  return createLifecycle({ ...SETTINGS, ...settings, newId: () => ulid(++ids) });
}

function scoresFor(label: (typeof EMOTION_LABELS)[number], confidence = 0.9): number[] {
  return EMOTION_LABELS.map((name) => (name === label ? confidence : (1 - confidence) / 6));
}

function face(since: number, scores: readonly number[] | null, id = 1): ObservedFace {
  return { trackId: ulid(id), since, box: { x: 64, y: 48, width: 64, height: 64 }, confirmed: true, scores };
}

function frame(number: number, steadyAt: number, clock = 0) {
  return { number, steadyAt, takenAt: START + steadyAt + clock, width: 640, height: 480 };
}

describe("the life of a face", () => {
  it("gives up a label that no longer leads, even where those that lead in its place take turns", () => {
    const life = lifecycle({ updateInterval: 1000 });
    const events: EmotionEvent[] = [];
    for (let number = 1; number <= 100; number++) {
      const at = number * 100;
      const turn = Math.floor(at / 400) % 2 === 0 ? ("sad" as const) : ("neutral" as const);
      const scores = scoresFor(at <= 2000 ? "happy" : turn);
      events.push(...life.observe(frame(number, at), [face(100, scores)], MODEL).events);
    }
    const labels = events.map(({ emotion }) => emotion.label);
    expect(labels[0]).toBe("happy");
    expect(labels.at(-1)).not.toBe("happy");
    const changes = events.filter((event, index) => index > 0 && event.emotion.label !== labels[index - 1]);
    // It led last at 2.0 s, and a little longer in the average.
    expect(changes[0]?.duration).toBeLessThan(3.6);
  });

  it("is new after minDwell, updated after updateInterval, and ended when it is gone", () => {
    const life = lifecycle();
    const events: EmotionEvent[] = [];
    for (let number = 1; number <= 70; number++) {
      const at = number * 100;
      events.push(...life.observe(frame(number, at), [face(100, scoresFor("happy"))], MODEL).events);
    }
    events.push(...life.observe(frame(71, 7100), [], MODEL).events);
    expect(events.map(({ type, seq, duration }) => ({ type, seq, duration }))).toEqual([
      { type: "new", seq: 1, duration: 0.5 },
      { type: "update", seq: 2, duration: 5.5 },
      { type: "end", seq: 3, duration: 7 },
    ]);
    expect(events.map((event) => event.previous)).toEqual([null, "happy", "happy"]);
    expect(events.map((event) => event.reason)).toEqual([undefined, undefined, "gone"]);
    expect(events[0]).toMatchObject({
      schema: 1,
      boot: ulid(0),
      device: "kitchen",
      track: ulid(1),
      since: "2026-01-01T00:00:00.100Z",
      time: "2026-01-01T00:00:00.600Z",
      box: { x: 0.1, y: 0.1, width: 0.1, height: 0.1333 },
      emotion: { label: "happy", confidence: 0.9 },
      replayed: false,
      frame: { number: 6, width: 640, height: 480 },
      model: MODEL,
    });
  });

  it("is not told of before it is confirmed, nor before it has a label", () => {
    const life = lifecycle();
    for (let at = 0; at <= 2000; at += 100) {
      const unconfirmed = { ...face(0, scoresFor("sad"), 1), confirmed: false };
      expect(life.observe(frame(1, at), [unconfirmed, face(0, null, 2)], MODEL).events).toEqual([]);
    }
    expect(life.observe(frame(2, 2100), [], MODEL).events).toEqual([]);
    expect(life.live).toEqual([]);
  });

  it("says from what the label changed, and only once it has lasted", () => {
    const life = lifecycle();
    const events: EmotionEvent[] = [];
    for (let at = 0; at < 4000; at += 50) {
      const label = at < 1000 || (at >= 1500 && at < 1700) ? "neutral" : "surprise";
      events.push(...life.observe(frame(1, at), [face(0, scoresFor(label))], MODEL).events);
    }
    expect(events.map((event) => [event.type, event.previous, event.emotion.label])).toEqual([
      ["new", null, "neutral"],
      ["update", "neutral", "surprise"],
    ]);
    // Led from about 1.0 s, was interrupted at 1.5 s, led again from about 1.7 s.
    expect(events[1]?.duration).toBeGreaterThan(2.2);
    expect(events[1]?.duration).toBeLessThan(2.8);
  });

  it("is uncertain where no emotion has minConfidence", () => {
    const life = lifecycle();
    const flat = EMOTION_LABELS.map(() => 1 / 7);
    life.observe(frame(1, 0), [face(0, flat)], MODEL);
    const { events } = life.observe(frame(2, 600), [face(0, flat)], MODEL);
    expect(events[0]?.emotion.label).toBe("uncertain");
    expect(events[0]?.emotion.confidence).toBeCloseTo(1 / 7, 3);
    expect(stateOf(life.live, START).dominant).toBe("uncertain");
  });

  it("goes on when the system's clock is set back an hour", () => {
    const life = lifecycle();
    const events: EmotionEvent[] = [];
    for (let at = 0; at <= 8000; at += 100) {
      const clock = at < 2000 ? 0 : -3_600_000;
      events.push(...life.observe(frame(1, at, clock), [face(0, scoresFor("fear"))], MODEL).events);
    }
    events.push(...life.endAll({ takenAt: START, steadyAt: 8100 }, "camera"));
    expect(events.map((event) => event.type)).toEqual(["new", "update", "end"]);
    expect(events.map((event) => event.duration)).toEqual([0.5, 5.5, 8.1]);
  });

  it("ends with the daemon, and stays ended", () => {
    const life = lifecycle();
    for (let at = 0; at <= 1000; at += 100) life.observe(frame(1, at), [face(0, scoresFor("sad"))], MODEL);
    const ends = life.endAll({ takenAt: START + 2000, steadyAt: 2000 }, "stopped");
    expect(ends.map((event) => [event.type, event.reason])).toEqual([["end", "stopped"]]);
    expect(life.live).toEqual([]);
    expect(life.endAll({ takenAt: START + 3000, steadyAt: 3000 }, "camera")).toEqual([]);
  });
});

const randomScores = fc
  .array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 7, maxLength: 7 })
  .filter((scores) => scores.some((score) => score > 0))
  .map((scores) => scores.map((score) => score / scores.reduce((sum, value) => sum + value, 0)));

const randomScene = fc.record({
  pause: fc.integer({ min: 1, max: 900 }),
  clock: fc.constantFrom(0, 0, 0, 3_600_000, -3_600_000),
  present: fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
  scores: fc.array(fc.option(randomScores), { minLength: 4, maxLength: 4 }),
  endAll: fc.integer({ min: 0, max: 30 }).map((roll) => roll === 0),
});

/** Runs scenes through a lifecycle; a face that went and comes back is another track, as the tracker has it. */
function play(
  scenes: readonly (typeof randomScene extends fc.Arbitrary<infer Scene> ? Scene : never)[],
  minDwell: number,
): { events: EmotionEvent[]; steady: number[] } {
  const life = lifecycle({ minDwell, updateInterval: 1500 });
  const events: EmotionEvent[] = [];
  const steady: number[] = [];
  const since: (number | null)[] = [null, null, null, null];
  const ids = [10, 20, 30, 40];
  let at = 0;
  let clock = 0;
  const take = (more: readonly EmotionEvent[]) => {
    for (const event of more) {
      events.push(event);
      steady.push(at);
    }
  };
  scenes.forEach((scene, index) => {
    at += scene.pause;
    clock += scene.clock;
    if (scene.endAll) {
      take(life.endAll({ takenAt: START + at + clock, steadyAt: at }, "camera"));
      for (let slot = 0; slot < 4; slot++) since[slot] = null;
    }
    const faces = scene.present.flatMap((present, slot) => {
      if (!present) {
        since[slot] = null;
        return [];
      }
      if (since[slot] === null) {
        since[slot] = at;
        ids[slot] = (ids[slot] ?? 0) + 100;
      }
      return [face(since[slot] ?? at, scene.scores[slot] ?? null, ids[slot] ?? 0)];
    });
    take(life.observe(frame(index + 1, at, clock), faces, MODEL).events);
    stateSchema.parse(stateOf(life.live, START + at));
    expect(life.live.every((live) => faces.some((seen) => seen.trackId === live.trackId))).toBe(true);
  });
  at += 1;
  take(life.endAll({ takenAt: START + at + clock, steadyAt: at }, "camera"));
  return { events, steady };
}

describe("whatever the camera sees", () => {
  const scenes = fc.array(randomScene, { minLength: 1, maxLength: 60 });
  const dwell = fc.constantFrom(0, 100, 500, 1200);
  const ajv = addFormats.default(new Ajv2020());
  const isEvent = ajv.compile(z.toJSONSchema(eventSchema));

  it("every new has one end, after it, and nothing else happens to a face outside", () => {
    fc.assert(
      fc.property(scenes, dwell, (played, minDwell) => {
        const { events } = play(played, minDwell);
        const byTrack = groupByTrack(events);
        for (const life of byTrack.values()) {
          expect(life[0]?.type).toBe("new");
          expect(life.at(-1)?.type).toBe("end");
          expect(life.slice(1, -1).every((event) => event.type === "update")).toBe(true);
        }
      }),
    );
  });

  it("seq has no gap, ids never repeat, and every event fits its published schema", () => {
    fc.assert(
      fc.property(scenes, dwell, (played, minDwell) => {
        const { events } = play(played, minDwell);
        expect(events.map((event) => event.seq)).toEqual(events.map((_, index) => index + 1));
        expect(new Set(events.map((event) => event.id)).size).toBe(events.length);
        for (const event of events) expect(isEvent(event), JSON.stringify(isEvent.errors)).toBe(true);
      }),
    );
  });

  it("no label flickers faster than minDwell", () => {
    fc.assert(
      fc.property(scenes, dwell, (played, minDwell) => {
        const { events, steady } = play(played, minDwell);
        const changedAt = new Map<string, number>();
        events.forEach((event, index) => {
          const at = steady[index] ?? 0;
          const changed = event.type === "update" && event.previous !== event.emotion.label;
          if (event.type === "new") changedAt.set(event.track, at);
          if (changed) {
            expect(at - (changedAt.get(event.track) ?? Number.NEGATIVE_INFINITY)).toBeGreaterThanOrEqual(
              minDwell,
            );
            changedAt.set(event.track, at);
          }
        });
      }),
    );
  });

  it("scores sum to 1, and label and confidence say what the scores say", () => {
    fc.assert(
      fc.property(scenes, dwell, (played, minDwell) => {
        for (const { emotion } of play(played, minDwell).events) {
          const scores = Object.values(emotion.scores);
          expect(Math.abs(scores.reduce((sum, score) => sum + score, 0) - 1)).toBeLessThan(1e-9);
          expect(emotion.confidence).toBe(Math.max(...scores));
          expect(emotion.label === "uncertain").toBe(emotion.confidence < SETTINGS.minConfidence);
          if (emotion.label !== "uncertain") expect(emotion.scores[emotion.label]).toBe(emotion.confidence);
        }
      }),
    );
  });
});

function groupByTrack(events: readonly EmotionEvent[]): Map<string, EmotionEvent[]> {
  const groups = new Map<string, EmotionEvent[]>();
  for (const event of events) groups.set(event.track, [...(groups.get(event.track) ?? []), event]);
  return groups;
}
