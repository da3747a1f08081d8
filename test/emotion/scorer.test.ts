import { describe, expect, it } from "vitest";
import { EMOTION_COUNT } from "../../src/base/labels.js";
import type { Mat } from "../../src/base/opencv.js";
import type { Classifier } from "../../src/emotion/classifier.js";
import {
  createScorer,
  type FaceToScore,
  RESCORE_AFTER,
  SAME_FACE,
  SCORE_INTERVAL,
  STEADY_INTERVAL,
} from "../../src/emotion/scorer.js";

const SIDE = 8;
const PIXELS = SIDE * SIDE;

/** A classifier that says of a face how bright its first pixel is, and remembers what it was asked. */
function classifier(): Classifier & { readonly batches: number[][] } {
  const batches: number[][] = [];
  return {
    engine: "onnx-int8",
    model: { name: "brightness", version: "1.0.0" },
    inputSize: SIDE,
    batches,
    async classify(faces, count) {
      const firsts = Array.from({ length: count }, (_, face) => faces[face * PIXELS] as number);
      batches.push(firsts);
      expect(faces.length).toBe(count * PIXELS);
      return Float32Array.from(
        firsts.flatMap((level) => [level / 255, 1 - level / 255, 0, 0, 0, 0, 0].slice(0, EMOTION_COUNT)),
      );
    },
    async close() {},
  };
}

/** Faces are grey squares: the box's x is their level. */
const scorer = () =>
  createScorer(async (_grey, boxes) => new Uint8Array(PIXELS).fill(Math.round(boxes[0]?.x ?? 0)));

const face = (id: string, level: number, seen = true): FaceToScore => ({
  id,
  box: { x: level, y: 0, width: 60, height: 60 },
  angle: 0,
  seen,
});

const FRAME = undefined as unknown as Mat;
const INTERVAL = 1000 / 30;

describe("what is shown to the classifier", () => {
  it("is every face of a frame, as one batch, at most every so often", async () => {
    const model = classifier();
    const { score } = scorer();
    for (let at = 0; at < 3 * SCORE_INTERVAL; at += INTERVAL) {
      // Each face changes from frame to frame.
      await score(model, FRAME, [face("a", at), face("b", 10 + at), face("c", 20 + at)], at);
    }
    expect(model.batches.map((batch) => batch.length)).toEqual([3, 3, 3]);
  });

  it("is a changing face less often while the model says the same of it, and as soon as ever after a change", async () => {
    const model = classifier();
    const { score } = scorer();
    const step = 40;
    // More than the crop's noise from one look to the next, less than SAME_SCORES in what the model says; one jump.
    const level = (frame: number) => 60 + frame + (frame < 31 ? 0 : 100);
    for (let frame = 0; frame < 50; frame++)
      await score(model, FRAME, [face("a", level(frame))], frame * step);
    const [soon, later] = [Math.ceil(SCORE_INTERVAL / step), Math.ceil(STEADY_INTERVAL / step)];
    const looks = [0, soon];
    while ((looks.at(-1) as number) < 31) looks.push((looks.at(-1) as number) + later);
    looks.push((looks.at(-1) as number) + soon);
    while ((looks.at(-1) as number) + later < 50) looks.push((looks.at(-1) as number) + later);
    expect(model.batches.flat()).toEqual(looks.map(level));
  });

  it("is no face that only should be there", async () => {
    const model = classifier();
    const { score } = scorer();
    const scores = await score(model, FRAME, [face("a", 100), face("b", 100, false)], 0);
    expect([...scores.keys()]).toEqual(["a"]);
  });

  it("is no face that looks as it did: what was said of it holds, as often as if it had been asked", async () => {
    const model = classifier();
    const { score } = scorer();
    const told: number[] = [];
    for (let at = 0; at < RESCORE_AFTER; at += INTERVAL) {
      const noise = Math.round(at) % 2 === 0 ? 0 : SAME_FACE - 1;
      const scores = await score(model, FRAME, [face("a", 100 + noise)], at);
      const own = scores.get("a");
      if (own !== undefined) told.push(own[0] as number);
    }
    expect(model.batches).toEqual([[100]]);
    expect(told.length).toBeGreaterThanOrEqual(Math.floor(RESCORE_AFTER / (SCORE_INTERVAL + INTERVAL)));
    expect(new Set(told).size).toBe(1);
  });

  it("is each face once in a while, however still", async () => {
    const model = classifier();
    const { score } = scorer();
    for (let at = 0; at < 3.5 * RESCORE_AFTER; at += INTERVAL)
      await score(model, FRAME, [face("a", 100)], at);
    expect(model.batches.length).toBe(4);
  });

  it("is a face that changed, and of a slow change the sum", async () => {
    const model = classifier();
    const { score } = scorer();
    const levels = [100, 100 + SAME_FACE, 100.6 + SAME_FACE, 101.2 + SAME_FACE, 102 + 2 * SAME_FACE];
    for (const [index, level] of levels.entries()) {
      await score(model, FRAME, [face("a", level), face("still", 50)], index * SCORE_INTERVAL);
    }
    expect(model.batches).toEqual([[100, 50], [102], [106]]);
  });

  it("is every face again when the classifier is another, and after all were forgotten", async () => {
    const [before, after] = [classifier(), classifier()];
    const { score, forget } = scorer();
    await score(before, FRAME, [face("a", 100)], 0);
    await score(after, FRAME, [face("a", 100)], SCORE_INTERVAL);
    forget();
    await score(after, FRAME, [face("a", 100)], SCORE_INTERVAL + 1);
    expect([before.batches.length, after.batches.length]).toEqual([1, 2]);
  });
});
