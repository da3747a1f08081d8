import { describe, expect, it } from "vitest";
import type { Mat } from "../../src/base/opencv.js";
import type { Frame } from "../../src/camera/frame.js";
import { createPipeline } from "../../src/daemon/pipeline.js";
import type { Classifier } from "../../src/emotion/classifier.js";
import { createLifecycle } from "../../src/events/lifecycle.js";
import type { EmotionEvent, State } from "../../src/events/schema.js";
import { createTracker } from "../../src/vision/tracker.js";

const INTERVAL = 100;
const SCORES = [0.04, 0.01, 0.05, 0.8, 0.05, 0.02, 0.03];

const frame = (number: number): Frame => ({
  number,
  takenAt: 1_700_000_000_000 + number * INTERVAL,
  steadyAt: number * INTERVAL,
  width: 640,
  height: 480,
  grey: undefined as unknown as Mat,
  picture: () => Promise.reject(new Error("nobody wants the picture")),
  release: () => undefined,
});

/** Where in a frame's way a test may come in between. */
type Step = "find" | "remember" | "score" | "open";

/** A pipeline that sees one happy face in every frame; `during` is awaited within a step. */
function pipelineWith(during: (step: Step, at: number) => Promise<unknown> = async () => undefined) {
  let ids = 0;
  const settings = {
    device: "test",
    boot: "boot",
    newId: () => `${++ids}`,
    minConfidence: 0.4,
    minDwell: 2 * INTERVAL,
    updateInterval: 60_000,
    lostAfter: 1_000,
  };
  const tracker = createTracker(settings);
  const events: EmotionEvent[] = [];
  const states: State[] = [];
  const shown: number[] = [];
  let now = 0;
  const pipeline = createPipeline({
    finder: {
      find: async (_grey, [track], at) => {
        now = at;
        await during("find", at);
        const box = { x: 100, y: 100, width: 80, height: 80 };
        return [{ box, score: 20, by: "cascade", trackId: track?.id ?? null, angle: 0 }];
      },
      remember: async () => {
        await during("remember", now);
      },
      swept: true,
      restart: () => undefined,
    },
    tracker,
    lifecycle: createLifecycle(settings),
    classifier: () => ({ model: { name: "m", version: "1.0.0" } }) as Classifier,
    scorer: {
      score: async (_classifier, _grey, faces, at) => {
        await during("score", at);
        return new Map(faces.map(({ id }) => [id, SCORES]));
      },
      forget: () => undefined,
    },
    opened: () => during("open", now),
    publish: (more) => events.push(...more),
    publishState: (state) => states.push(state),
    show: async ({ number }) => {
      shown.push(number);
    },
    onStage: () => undefined,
  });
  const through = (number: number) => pipeline.process(frame(number));
  return { pipeline, tracker, events, states, shown, through };
}

describe("a frame's way", () => {
  it("goes through all stages: a face is told of once it has stayed", async () => {
    const { events, states, shown, through } = pipelineWith();
    for (let number = 1; number <= 6; number++) await through(number);
    expect(events.map(({ type, seq }) => `${type} ${seq}`)).toEqual(["new 1"]);
    expect(events[0]?.emotion.label).toBe("happy");
    expect(states.at(-1)?.faces).toBe(1);
    expect(shown).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it.for<Step>(["find", "remember", "score", "open"])(
    "makes no event any more when all faces were ended meanwhile, in %s",
    async (step) => {
      const { pipeline, tracker, events, shown, through } = pipelineWith(async (at, when) => {
        if (at === step && when === 6 * INTERVAL) pipeline.endAll(frame(7), "camera");
      });
      for (let number = 1; number <= 5; number++) await through(number);
      expect(events.map(({ type }) => type)).toEqual(["new"]);
      await through(6);
      expect(events.map(({ type }) => type)).toEqual(["new", "end"]);
      expect(shown).not.toContain(6);
      expect(tracker.tracks).toEqual([]);
      // Who is there afterwards is new.
      for (let number = 8; number <= 12; number++) await through(number);
      expect(events.map(({ type }) => type)).toEqual(["new", "end", "new"]);
      expect(events[2]?.track).not.toBe(events[0]?.track);
    },
  );

  it("begins no face with a frame that was left from before all were ended", async () => {
    const { tracker, pipeline, events, shown, through } = pipelineWith();
    for (let number = 1; number <= 5; number++) await through(number);
    // The camera failed after frame 6, which still waits.
    pipeline.endAll(frame(7), "camera");
    await through(6);
    expect(tracker.tracks).toEqual([]);
    expect(shown).not.toContain(6);
    // An hour later the camera is back.
    for (let number = 36_000; number <= 36_005; number++) await through(number);
    expect(events.map(({ type }) => type)).toEqual(["new", "end", "new"]);
    expect(events[2]?.duration).toBeLessThan(1);
  });

  it("keeps the frames of a file, whose time stood still when all were ended", async () => {
    const { pipeline, events, through } = pipelineWith();
    for (let number = 1; number <= 5; number++) await through(number);
    pipeline.endAll(frame(5), "camera");
    for (let number = 6; number <= 10; number++) await through(number);
    expect(events.map(({ type }) => type)).toEqual(["new", "end", "new"]);
  });

  it("waits for somebody to tell, and loses nothing of the time that a face has stayed", async () => {
    let open: () => void = () => undefined;
    const opened = new Promise<void>((resolve) => {
      open = resolve;
    });
    const { events, through } = pipelineWith(async (step) => (step === "open" ? opened : undefined));
    let told = false;
    const telling = through(1).then(() => {
      told = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(told).toBe(false);
    open();
    await telling;
    await through(3);
    await through(4);
    expect(events.map(({ type, duration }) => `${type} ${duration}`)).toEqual(["new 0.3"]);
  });
});
