import { describe, expect, it } from "vitest";
import { scoreAccuracy } from "../../scripts/bench/accuracy.js";
import { greyFrames, ours } from "../../scripts/bench/finders.js";
import { readGroundTruths } from "../../scripts/bench/truth.js";

const truths = await readGroundTruths();

/** Frames at an even pace, and as they come after hold-ups: once a second two of them with a millisecond between. */
const PACES = [
  ["", (index: number, interval: number) => index * interval],
  [
    ", also when frames come in bursts",
    (index: number, interval: number) => index * interval - (index % 12 === 5 ? interval - 1 : 0),
  ],
] as const;

describe("finder and tracker on real clips", () => {
  for (const { truth, file } of truths) {
    for (const [manner, stamp] of PACES) {
      const name = `finds the faces of ${truth.clip}, no other, and keeps their ids${manner}`;
      it.skipIf(file === null)(
        file === null ? `${name} (the clip is not there; see test/ground-truth)` : name,
        async () => {
          const frames = greyFrames(file as string, truth.width, truth.height);
          const subject = ours();
          try {
            const reported = [];
            for (const [index, grey] of frames.entries())
              reported.push(await subject.process(grey, stamp(index, 1000 / truth.framesPerSecond)));
            const score = scoreAccuracy(truth.frames, reported, Math.round(truth.framesPerSecond));
            expect(score.recall).toBeGreaterThanOrEqual(0.9);
            expect(score.precision).toBeGreaterThanOrEqual(0.97);
            expect(score.idSwitches).toBe(0);
          } finally {
            for (const frame of frames) frame.release();
          }
        },
      );
    }
  }
});
