import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Box } from "../../src/base/box.js";
import { cv, type Mat } from "../../src/base/opencv.js";
import { cutPatch } from "../../src/vision/patch.js";
import { SearchError, searchThoroughly } from "../../src/vision/thorough-search.js";
import { SAMPLE_FACES } from "./sample-faces.js";

const PHOTOS = join(dirname(createRequire(import.meta.url).resolve("@vladmandic/face-api")), "../demo");
const WIDTH = 640;

function photo(number: string): Mat {
  const picture = cv.imread(join(PHOTOS, `sample${number}.jpg`), cv.IMREAD_GRAYSCALE);
  const height = Math.round((picture.rows * WIDTH) / picture.cols);
  const grey = picture.resize(height, WIDTH, 0, 0, cv.INTER_AREA);
  picture.release();
  return grey;
}

/** Well inside, not only touched. */
function covers(box: Box, [x, y]: readonly [number, number]): boolean {
  const [across, down] = [(x - box.x) / box.width, (y - box.y) / box.height];
  return box.width >= 30 && across > 0.15 && across < 0.85 && down > 0.15 && down < 0.85;
}

const whole = () => new AbortController().signal;

describe("the search of a single picture", () => {
  for (const [number, faces] of Object.entries(SAMPLE_FACES)) {
    it(`finds every face of sample photo ${number}, a full profile among them`, async () => {
      const grey = photo(number);
      const boxes = await searchThoroughly(grey, whole());
      grey.release();
      const missed = faces.filter((face) => !boxes.some((box) => covers(box, face)));
      expect(missed).toEqual([]);
    }, 180_000);
  }

  it.each([-90, -40, 40, 90, 180])(
    "finds faces that lie on their side: turned by %i degrees",
    async (angle) => {
      const grey = photo("6");
      const place = { x: grey.cols / 2, y: grey.rows / 2, width: 640, height: 640, angle };
      const { picture, toPatch } = cutPatch(grey, place, 640);
      grey.release();
      const boxes = await searchThoroughly(picture, whole());
      picture.release();
      const turned = (SAMPLE_FACES[6] ?? []).map(([x, y]) => toPatch({ x, y, radius: 1 }));
      const missed = turned.filter(({ x, y }) => !boxes.some((box) => covers(box, [x, y])));
      expect(missed).toEqual([]);
    },
    180_000,
  );

  it("leaves the event loop to others meanwhile", async () => {
    const grey = photo("1");
    let turns = 0;
    let going = true;
    const count = () => {
      turns++;
      if (going) setImmediate(count);
    };
    count();
    await searchThoroughly(grey, whole());
    going = false;
    grey.release();
    // Each of its thirty looks is a wait of its own.
    expect(turns).toBeGreaterThan(30);
  }, 180_000);

  it("says that it did not come to its end, and nothing of what it had found by then", async () => {
    const grey = photo("4");
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 50);
    await expect(searchThoroughly(grey, stop.signal)).rejects.toBeInstanceOf(SearchError);
    grey.release();
  }, 60_000);

  it("takes pictures of any shape", async () => {
    for (const [rows, columns] of [
      [1, 1],
      [20, 400],
      [300, 30],
    ] as const) {
      const grey = new cv.Mat(rows, columns, cv.CV_8UC1, 90);
      expect(await searchThoroughly(grey, whole())).toEqual([]);
      grey.release();
    }
  }, 60_000);
});
