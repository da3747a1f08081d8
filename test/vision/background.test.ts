import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { cv } from "../../src/base/opencv.js";
import { scanUnit } from "../../src/vision/background.js";
import { loadCascade } from "../../src/vision/cascade.js";
import type { ScanUnit } from "../../src/vision/scan-unit.js";

const PHOTO = join(
  dirname(createRequire(import.meta.url).resolve("@vladmandic/face-api")),
  "../demo/sample3.jpg",
);
/** The middles of two of its faces, 640 pixels wide, and about how large they are. */
const LEFT = { x: 226, y: 154, side: 88 };
const RIGHT = { x: 537, y: 144, side: 84 };

const picture = cv.imread(PHOTO, cv.IMREAD_GRAYSCALE);
const grey = picture.resize(450, 640, 0, 0, cv.INTER_AREA);
picture.release();
const cascades = {
  main: loadCascade("frontalface_default"),
  second: loadCascade("frontalface_alt2"),
  profile: loadCascade("profileface"),
};
afterAll(() => grey.release());

const unit: ScanUnit = {
  region: { x: 0, y: 0, width: 640, height: 450 },
  minSize: 72,
  maxSize: 144,
  angle: 0,
  by: "main",
  face: 30,
  scaleFactor: 1.2,
  windows: 1,
};

function known({ x, y, side }: typeof LEFT) {
  return { box: { x: x - side / 2, y: y - side / 2, width: side, height: side }, level: 120 };
}

async function sees(place: typeof LEFT, hidden: Parameters<typeof scanUnit>[4]): Promise<boolean> {
  const hits = await scanUnit(cascades, grey, unit, 1, hidden);
  return hits.some(
    ({ box }) =>
      Math.hypot(box.x + box.width / 2 - place.x, box.y + box.height / 2 - place.y) < place.side / 3,
  );
}

describe("a scan for new faces", () => {
  it("finds no face that is known, and the others all the same", async () => {
    expect(await sees(LEFT, [])).toBe(true);
    expect(await sees(RIGHT, [])).toBe(true);
    expect(await sees(LEFT, [known(LEFT)])).toBe(false);
    expect(await sees(RIGHT, [known(LEFT)])).toBe(true);
  });

  it("finds the face around a small one that is taken for known: a false alarm in its mouth", async () => {
    expect(await sees(LEFT, [known({ ...LEFT, y: LEFT.y + 20, side: 30 })])).toBe(true);
  });

  it("leaves the frame as it is", async () => {
    const before = grey.getData();
    await sees(LEFT, [known(LEFT)]);
    expect(grey.getData().equals(before)).toBe(true);
  });
});

describe("a cascade", () => {
  it("takes looks one after another: a small one on the spot, and behind a large one that is under way", async () => {
    const cascade = loadCascade("frontalface_default");
    const small = {
      region: { x: 180, y: 108, width: 90, height: 90 },
      minSize: 60,
      scaleFactor: 1.1,
      minNeighbors: 1,
    };
    const large = { minSize: 60, scaleFactor: 1.1, minNeighbors: 3 };
    const alone = await cascade.scan(grey, small);
    expect(alone).toHaveLength(1);
    const order: string[] = [];
    const [whole, part] = await Promise.all([
      cascade.scan(grey, large).finally(() => order.push("large")),
      cascade.scan(grey, small).finally(() => order.push("small")),
    ]);
    expect(order).toEqual(["large", "small"]);
    expect(part).toEqual(alone);
    expect(whole.length).toBeGreaterThanOrEqual(3);
  });
});
