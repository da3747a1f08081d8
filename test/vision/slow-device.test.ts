import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { cv, type Mat } from "../../src/base/opencv.js";
import { defaultConfig } from "../../src/config/load.js";
import { createFaceFinder } from "../../src/vision/finder.js";
import { createTracker } from "../../src/vision/tracker.js";
import { SAMPLE_FACES } from "./sample-faces.js";

const PHOTOS = join(dirname(createRequire(import.meta.url).resolve("@vladmandic/face-api")), "../demo");
const WIDTH = 640;
/** Five frames a second. */
const INTERVAL = 200;
/** How long a face that is there from the first frame on may take to be followed, in milliseconds. */
const BOUND = 4000;

/** Two that the cascades see badly at any speed: a full profile (2) and one half turned, her chin raised (5). */
const LEFT_OUT: Readonly<Record<number, readonly [x: number, y: number]>> = { 2: [154, 88], 5: [149, 353] };
const FACES = Object.fromEntries(
  Object.entries(SAMPLE_FACES).map(([number, faces]) => {
    const [x, y] = LEFT_OUT[Number(number)] ?? [];
    return [number, faces.filter((face) => face[0] !== x || face[1] !== y)];
  }),
);

function photo(number: string): Mat {
  const picture = cv.imread(join(PHOTOS, `sample${number}.jpg`), cv.IMREAD_GRAYSCALE);
  const height = Math.round((picture.rows * WIDTH) / picture.cols);
  const grey = picture.resize(height, WIDTH, 0, 0, cv.INTER_AREA);
  picture.release();
  return grey;
}

/** A meter that shows so many times the CPU time that was taken. */
function meterOf(slowness: number): () => () => number {
  return () => {
    const begun = process.cpuUsage();
    return () => {
      const { user, system } = process.cpuUsage(begun);
      return (slowness * (user + system)) / 1000;
    };
  };
}

describe(`the finder at five frames a second follows every face within ${BOUND / 1000} s`, () => {
  for (const [number, faces] of Object.entries(FACES)) {
    for (const slowness of [1, 10, 50]) {
      it(`of sample photo ${number}, where a scan costs ${slowness} times as much`, async () => {
        const grey = photo(number);
        const finder = createFaceFinder(defaultConfig().detector, meterOf(slowness));
        let count = 0;
        const tracker = createTracker({ lostAfter: 1000, newId: () => `${++count}` });
        const waiting = new Set(faces);
        try {
          for (let at = 0; at <= BOUND; at += INTERVAL) {
            const sightings = await finder.find(grey, tracker.tracks, at);
            const tracks = tracker.update(sightings, at);
            await finder.remember(grey, tracks);
            for (const face of waiting) {
              const [x, y] = face;
              const isFollowed = tracks.some(
                ({ confirmed, box }) =>
                  confirmed &&
                  Math.hypot(box.x + box.width / 2 - x, box.y + box.height / 2 - y) < box.width / 3,
              );
              if (isFollowed) waiting.delete(face);
            }
          }
          expect([...waiting]).toEqual([]);
        } finally {
          grey.release();
        }
      });
    }
  }
});
