import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { SAMPLE_PHOTOS } from "../../scripts/test-support/daemon.js";
import { cv, type Mat } from "../../src/base/opencv.js";
import { createSceneCuts } from "../../src/vision/scene-cut.js";
import { thumbnailOf } from "../../src/vision/thumbnail.js";

const [WIDTH, HEIGHT] = [640, 480];
const INTERVAL = 100;
const NUMBERS = [1, 2, 3, 4, 5, 6];

const mats: Mat[] = [];
function kept(mat: Mat): Mat {
  mats.push(mat);
  return mat;
}
afterEach(() => {
  for (const mat of mats.splice(0)) mat.release();
});

/** Sample photo, in grey, stretched to a size. */
function photo(number: number, width = WIDTH, height = HEIGHT): Mat {
  const picture = cv.imread(join(SAMPLE_PHOTOS, `sample${number}.jpg`), cv.IMREAD_GRAYSCALE);
  const mat = kept(picture.resize(height, width, 0, 0, cv.INTER_AREA));
  picture.release();
  return mat;
}

/** Shows frames a tenth of a second apart, and tells in which of them a cut was seen. */
function watch() {
  const cuts = createSceneCuts();
  let at = 0;
  const show = (grey: Mat): boolean => {
    at += INTERVAL;
    return cuts.update(thumbnailOf(grey), at);
  };
  /** A scene that stands for a while is no cut. */
  const settle = (grey: Mat, frames = 35) => {
    for (let frame = 0; frame < frames; frame++) expect(show(grey)).toBe(false);
  };
  return { show, settle };
}

/** The same, a little further to the right and below. */
function moved(large: Mat, x: number, y: number): Mat {
  const part = large.getRegion(new cv.Rect(Math.round(x), Math.round(y), WIDTH, HEIGHT));
  const copy = kept(part.copy());
  part.release();
  return copy;
}

/** From 0 to 1, in steps of a frame. */
function progress(seconds: number): number[] {
  const steps = Math.round((seconds * 1000) / INTERVAL);
  return Array.from({ length: steps }, (_, step) => (step + 1) / steps);
}

describe("a scene cut", () => {
  it.each(NUMBERS)("is seen in its first frame: sample photo %i after each of the others", (number) => {
    const to = photo(number);
    for (const before of NUMBERS.filter((other) => other !== number)) {
      const { show, settle } = watch();
      settle(photo(before), 5);
      expect(show(to)).toBe(true);
      // And once.
      settle(to, 5);
    }
  });

  it.each([0.5, 1, 2, 3])("is seen in a fade of %f s, begun at any moment", (seconds) => {
    for (const number of NUMBERS) {
      const [from, to] = [photo(number), photo((number % 6) + 1)];
      for (const settled of [1, 7, 12]) {
        const { show, settle } = watch();
        settle(from, settled);
        const seen = progress(seconds).filter((share) =>
          show(kept(from.addWeighted(1 - share, to, share, 0))),
        );
        // In its second half: what is looked at from then on is the new scene.
        expect(Math.max(...seen)).toBeGreaterThanOrEqual(0.5);
      }
    }
  });

  it("is a light that is switched on", () => {
    for (const number of NUMBERS) {
      const light = photo(number);
      const dark = kept(light.convertTo(cv.CV_8UC1, 0.2, 0));
      const { show, settle } = watch();
      settle(dark);
      expect(show(light)).toBe(true);
    }
  });

  it("is a pan to another place, quick or slow", () => {
    for (const seconds of [0.5, 2]) {
      const scene = photo(1, 3 * WIDTH, 2 * HEIGHT);
      const { show, settle } = watch();
      settle(moved(scene, 0, 300));
      const seen = progress(seconds).filter((share) => show(moved(scene, share * 2 * WIDTH, 300)));
      expect(seen).not.toEqual([]);
    }
  });

  it("is another shape of the picture, and the next frame of a camera with one in ten seconds", () => {
    const [one, other] = [photo(1), photo(5)];
    const cuts = createSceneCuts();
    expect(cuts.update(thumbnailOf(one), 0)).toBe(false);
    expect(cuts.update(thumbnailOf(other), 10_000)).toBe(true);
    expect(cuts.update(thumbnailOf(photo(5, 640, 360)), 20_000)).toBe(true);
    cuts.forget();
    expect(cuts.update(thumbnailOf(one), 30_000)).toBe(false);
  });
});

describe("no scene cut", () => {
  it("is a camera that shakes", () => {
    for (const number of NUMBERS) {
      const scene = photo(number, WIDTH + 60, HEIGHT + 60);
      const { settle } = watch();
      for (let frame = 0; frame < 40; frame++)
        settle(moved(scene, 30 + 12 * Math.sin(1.3 * frame), 30 + 12 * Math.cos(frame)), 1);
    }
  });

  it("is a camera that goes slowly over a scene", () => {
    for (const number of NUMBERS) {
      const scene = photo(number, 2 * WIDTH, 2 * HEIGHT);
      const { settle } = watch();
      settle(moved(scene, 0, 200));
      // A twentieth of the picture's width in a second, for eight seconds.
      for (let frame = 1; frame <= 80; frame++) settle(moved(scene, 3.2 * frame, 200), 1);
    }
  });

  it("is a person who crosses the picture", () => {
    const scene = photo(6);
    const person = photo(1, 140, 330);
    const { settle } = watch();
    settle(scene);
    for (let x = 0; x < WIDTH - 140; x += 12) {
      const frame = kept(scene.copy());
      const place = frame.getRegion(new cv.Rect(x, HEIGHT - 330, 140, 330));
      person.copyTo(place).release();
      place.release();
      settle(frame, 1);
    }
  });

  it("is the camera's noise, nor light that comes by and by as in the morning", () => {
    const scene = photo(5);
    const { settle } = watch();
    for (let frame = 0; frame <= 100; frame++) {
      const brighter = scene.convertTo(cv.CV_8UC1, 0.7 + 0.003 * frame, (frame % 3) - 1);
      settle(kept(brighter), 1);
    }
  });
});
