import { cv } from "../../src/base/opencv.js";
import { cpuTime, greyFrames, ours, plainLoop, type Subject } from "./finders.js";
import { readGroundTruths } from "./truth.js";

/**
 * OpenCV with one, two and as many threads as it takes by itself, in turns on the same frames: what a frame costs in
 * CPU and in time, for the face finder and for a scan of the whole frame.
 *
 *     npx tsx scripts/bench/threads.ts
 */

const ROUNDS = 6;
const INTERVAL = 1000 / 30;

interface Cost {
  cpu: number;
  wall: number;
  frames: number;
}

const clip = (await readGroundTruths()).find(({ truth }) => truth.clip.startsWith("face-demographics"))?.file;
if (typeof clip !== "string") throw new Error("the clip is not there: name its folder in EMOTIOND_CLIPS");
const film = greyFrames(clip, 640, 360);
const byItself = cv.getNumThreads();
const counts = [...new Set([1, 2, byItself])];
const subjects: readonly (() => Subject)[] = [() => ours(), () => plainLoop(1.2, 4)];
const costs = new Map<string, Cost>();

for (let round = 0; round <= ROUNDS; round++) {
  for (const make of subjects) {
    for (const threads of counts) {
      cv.setNumThreads(threads);
      const subject = make();
      const begun = { cpu: cpuTime(), wall: performance.now() };
      for (const [index, grey] of film.entries()) await subject.process(grey, index * INTERVAL);
      const cost = costs.get(`${subject.name}, ${threads}`) ?? { cpu: 0, wall: 0, frames: 0 };
      // The first round warms up.
      if (round === 0) continue;
      cost.cpu += cpuTime() - begun.cpu;
      cost.wall += performance.now() - begun.wall;
      cost.frames += film.length;
      costs.set(`${subject.name}, ${threads}`, cost);
    }
  }
}
for (const grey of film) grey.release();
const round = (value: number): number => Math.round(value * 100) / 100;
console.log(`OpenCV takes ${byItself} threads by itself`);
console.table(
  Object.fromEntries(
    [...costs].map(([name, { cpu, wall, frames }]) => [
      name,
      { "CPU ms a frame": round(cpu / frames), "ms a frame": round(wall / frames) },
    ]),
  ),
);
