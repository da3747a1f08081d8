import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import type { Box } from "../../src/base/box.js";
import { cv, type Mat } from "../../src/base/opencv.js";
import type { Frame } from "../../src/camera/frame.js";
import { defaultConfig } from "../../src/config/load.js";
import { createHiding, LOOKING_NOTICE, type Visibility } from "../../src/display/hiding.js";
import { createFaceFinder, type FaceFinder } from "../../src/vision/finder.js";
import { createTracker, type Track } from "../../src/vision/tracker.js";
import { SAMPLE_FACES } from "../vision/sample-faces.js";

const PHOTOS = join(dirname(createRequire(import.meta.url).resolve("@vladmandic/face-api")), "../demo");
const [WIDTH, HEIGHT] = [640, 480];
const INTERVAL = 100;
/** Longer than a first sweep takes on the slowest device: 3.6 s. */
const SWEPT = 6_000;

/** The same looks on every machine, whatever else it does: so many milliseconds for each. */
const everyScanCosts = () => () => 12;

/** The photo at the top of a grey frame. */
function frameWith(number: number | null): Mat {
  const frame = new cv.Mat(HEIGHT, WIDTH, cv.CV_8UC1, 90);
  if (number === null) return frame;
  const picture = cv.imread(join(PHOTOS, `sample${number}.jpg`), cv.IMREAD_GRAYSCALE);
  const height = Math.min(HEIGHT, Math.round((picture.rows * WIDTH) / picture.cols));
  const small = picture.resize(height, WIDTH, 0, 0, cv.INTER_AREA);
  const place = frame.getRegion(new cv.Rect(0, 0, WIDTH, height));
  small.copyTo(place).release();
  for (const mat of [place, small, picture]) mat.release();
  return frame;
}

/** What the daemon does to frames, up to the picture. */
function watch(options: { blurFaces?: boolean } = {}) {
  let blurFaces = options.blurFaces ?? true;
  let finder: FaceFinder = createFaceFinder(defaultConfig().detector, everyScanCosts);
  let count = 0;
  let at = 0;
  const tracker = createTracker({ lostAfter: 500, newId: () => `${++count}` });
  const hiding = createHiding({ wanted: () => blurFaces, finder: () => finder });

  async function look(grey: Mat): Promise<Visibility> {
    at += INTERVAL;
    const tracks = tracker.update(await finder.find(grey, tracker.tracks, at), at);
    await finder.remember(grey, tracks);
    const about = { number: 1, takenAt: at, steadyAt: at, width: WIDTH, height: HEIGHT, grey };
    const frame: Frame = { ...about, picture: () => Promise.resolve(grey), release: () => undefined };
    return hiding.follow(frame, tracks);
  }

  /** Looks until the picture is shown: how long that took, and what is hidden in it. */
  async function untilShown(grey: Mat): Promise<{ waited: number; hidden: readonly Box[] }> {
    for (let waited = INTERVAL; waited <= SWEPT; waited += INTERVAL) {
      const { hidden, notice } = await look(grey);
      if (notice === null) return { waited, hidden };
      expect(notice).toBe(LOOKING_NOTICE);
    }
    throw new Error(`nothing was shown within ${SWEPT} ms`);
  }

  return {
    look,
    untilShown,
    tracks: () => tracker.tracks,
    /** As at a pause, or when the camera is lost. */
    endAll: () => {
      tracker.clear();
      finder.restart();
    },
    /** As at a reload. */
    reload: (next: boolean) => {
      blurFaces = next;
      finder = createFaceFinder(defaultConfig().detector, everyScanCosts);
    },
  };
}

/** How many faces of the photo nothing hides. */
function clear(number: number, hidden: readonly Box[]): number {
  const isHidden = ([x, y]: readonly [number, number]) =>
    hidden.some((box) => {
      const [across, down] = [(x / WIDTH - box.x) / box.width, (y / HEIGHT - box.y) / box.height];
      return across > 0.1 && across < 0.9 && down > 0.1 && down < 0.9;
    });
  return (SAMPLE_FACES[number] ?? []).filter((face) => !isHidden(face)).length;
}

const mats: Mat[] = [];
function showing(number: number | null): Mat {
  const mat = frameWith(number);
  mats.push(mat);
  return mat;
}

afterEach(() => {
  for (const mat of mats.splice(0)) mat.release();
});

describe("a monitor, where faces are blurred", () => {
  for (const number of [1, 3, 4, 5, 6]) {
    it(`shows nothing of sample photo ${number} until all of it was looked at, and then no face`, async () => {
      const { waited, hidden } = await watch().untilShown(showing(number));
      expect(waited).toBeGreaterThan(2 * INTERVAL);
      expect(clear(number, hidden)).toBe(0);
    });
  }

  it("begins again after a pause and after a camera that was lost", async () => {
    const grey = showing(5);
    const watching = watch();
    await watching.untilShown(grey);
    for (let round = 0; round < 2; round++) {
      watching.endAll();
      const { waited, hidden } = await watching.untilShown(grey);
      expect(waited).toBeGreaterThan(2 * INTERVAL);
      expect(clear(5, hidden)).toBe(0);
    }
  });

  it("begins again after a reload, and when blurring was turned on by it", async () => {
    const grey = showing(4);
    const watching = watch({ blurFaces: false });
    expect(await watching.look(grey)).toEqual({ hidden: [], notice: null });
    for (let round = 0; round < 2; round++) {
      watching.reload(true);
      const { waited, hidden } = await watching.untilShown(grey);
      expect(waited).toBeGreaterThan(2 * INTERVAL);
      expect(clear(4, hidden)).toBe(0);
    }
  });

  it("shows nothing of the first frame of another scene", async () => {
    const watching = watch();
    await watching.untilShown(showing(1));
    for (const number of [5, 3, 6, 4]) {
      const grey = showing(number);
      expect((await watching.look(grey)).notice).toBe(LOOKING_NOTICE);
      const { hidden } = await watching.untilShown(grey);
      expect(clear(number, hidden)).toBe(0);
    }
  });

  it("takes light that is turned on in the dark for another scene", async () => {
    const dark = showing(5).convertTo(cv.CV_8UC1, 0.1, 0);
    mats.push(dark);
    const watching = watch();
    await watching.untilShown(dark);
    expect((await watching.look(showing(5))).notice).toBe(LOOKING_NOTICE);
  });

  it("takes a scene that fades into another for one, too", async () => {
    const [from, to] = [showing(1), showing(5)];
    const watching = watch();
    await watching.untilShown(from);
    const notices: (string | null)[] = [];
    for (let share = 0.1; share < 1; share += 0.1) {
      const mixed = from.addWeighted(1 - share, to, share, 0);
      mats.push(mixed);
      notices.push((await watching.look(mixed)).notice);
    }
    expect(notices).toContain(LOOKING_NOTICE);
  });

  it("goes on showing a scene that only moves a little", async () => {
    const watching = watch();
    await watching.untilShown(showing(6));
    for (let moved = 1; moved <= 10; moved++) {
      const matrix = new cv.Mat(
        [
          [1, 0, 3 * moved],
          [0, 1, 2 * moved],
        ],
        cv.CV_64F,
      );
      const grey = (mats[0] as Mat).warpAffine(matrix, new cv.Size(WIDTH, HEIGHT), 1, cv.BORDER_REPLICATE);
      mats.push(grey, matrix);
      expect((await watching.look(grey)).notice).toBeNull();
    }
  });

  it("hides nothing, and shows all, where the owner does not want it", async () => {
    const watching = watch({ blurFaces: false });
    const grey = showing(5);
    for (let frame = 0; frame < 5; frame++)
      expect(await watching.look(grey)).toEqual({ hidden: [], notice: null });
    expect(watching.tracks().length).toBeGreaterThan(0);
  });
});

describe("a face that was lost", () => {
  const face = { x: 200, y: 100, width: 64, height: 64 };
  const track = (changes: Partial<Track>): Track => ({
    id: "1",
    box: face,
    since: 0,
    lastSeenAt: 0,
    lastFaceAt: 0,
    hits: 5,
    seen: true,
    confirmed: true,
    velocity: { x: 0, y: 0 },
    angle: 0,
    ...changes,
  });
  const grey = frameWith(null);
  const finder = { swept: true, restart: () => undefined };
  const frameAt = (steadyAt: number): Frame => ({
    number: 1,
    takenAt: 0,
    steadyAt,
    width: WIDTH,
    height: HEIGHT,
    grey,
    picture: () => Promise.resolve(grey),
    release: () => undefined,
  });

  it("stays hidden for a second, in a box that grows", () => {
    const hiding = createHiding({ wanted: () => true, finder: () => finder });
    const [seen] = hiding.follow(frameAt(0), [track({})]).hidden;
    const [later] = hiding.follow(frameAt(900), []).hidden;
    expect(seen?.x).toBeCloseTo(200 / WIDTH, 6);
    expect(seen?.width).toBeCloseTo(64 / WIDTH, 6);
    expect(later?.width).toBeGreaterThan(1.5 * (64 / WIDTH));
    expect(later?.x).toBeLessThan(200 / WIDTH);
    expect(hiding.follow(frameAt(1100), []).hidden).toEqual([]);
  });

  it("is hidden where it was and where it is expected, as long as it is followed", () => {
    const hiding = createHiding({ wanted: () => true, finder: () => finder });
    hiding.follow(frameAt(0), [track({})]);
    const drifted = track({ seen: false, box: { ...face, x: 400 } });
    for (const at of [500, 1500, 2500]) {
      const { hidden } = hiding.follow(frameAt(at), [drifted]);
      for (const middle of [232, 432])
        expect(hidden.some(({ x, width }) => x * WIDTH < middle && (x + width) * WIDTH > middle)).toBe(true);
    }
  });

  it("is hidden from its first sight on, a face or not", () => {
    const hiding = createHiding({ wanted: () => true, finder: () => finder });
    expect(hiding.follow(frameAt(0), [track({ confirmed: false, hits: 1 })]).hidden).toHaveLength(1);
  });
});
