import type { Box } from "../base/box.js";
import { ExpectedError } from "../base/errors.js";
import type { Mat } from "../base/opencv.js";
import { type Cascade, loadCascade } from "./cascade.js";
import type { Look } from "./look.js";
import { type Cascades, scanBy } from "./neighbourhood.js";
import { cutPatch } from "./patch.js";
import { turnedSize } from "./turned-size.js";

/** The search did not come to its end: what it would have found is not known. */
export class SearchError extends ExpectedError {
  override readonly name = "SearchError";
}

/** Cascades that are asked. Of one picture it does not matter what it costs, and each sees faces that others miss. */
type Searcher = Look["by"] | "third";

/** All looks at heads of one tilt. */
interface Pass {
  /** In degrees, clockwise in the picture. */
  readonly angle: number;
  /** Pixels of the picture that is looked at, at most: a larger one is shrunk. The smallest face has 24. */
  readonly pixels: number;
  readonly by: readonly Searcher[];
}

/** Faces of a twentieth of the picture's height and more; small ones are seldom tilted, nor is anybody known by them. */
const FINE = 640 * 480;
const COARSE = 480 * 360;
const ROUGH = 400 * 300;

const PASSES: readonly Pass[] = [
  { angle: 0, pixels: 1.6 * FINE, by: ["main", "second"] },
  { angle: 0, pixels: FINE, by: ["third", "left", "right"] },
  ...[-20, 20].flatMap((angle): Pass[] => [
    { angle, pixels: COARSE, by: ["main", "second"] },
    { angle, pixels: FINE, by: ["left", "right"] },
  ]),
  ...[-40, 40].map((angle): Pass => ({ angle, pixels: COARSE, by: ["main", "second"] })),
  ...[-65, 65, -90, 90, 180].map((angle): Pass => ({ angle, pixels: ROUGH, by: ["main", "second"] })),
];

/** Between the sizes that are tried: smaller than the finder's, so that weak faces fall on one that fits. */
const SCALE_FACTOR = 1.15;
const PROFILE_SCALE_FACTOR = 1.1;
const SMALLEST_WINDOW = 24;
/** Windows that agree on a face. A wall that is blurred harms nobody; a face that is not does. */
const MIN_NEIGHBORS = 2;
/** A small picture is enlarged by so much at most: there is nothing more to see in it. */
const LARGEST_SCALE = 2;

/**
 * Searches a single picture for faces by all cascades, at all tilts, down to small sizes, and believes what any of
 * them says: for hiding faces, not for naming them. It takes seconds, all of them on libuv's pool, on two of its
 * threads at once; the event loop and the rest of the pool go on.
 *
 * @param grey CV_8UC1; stays the caller's, and has to live until the promise settles.
 * @returns boxes in pixels of the picture; false alarms are among them.
 * @throws SearchError when the signal aborts first.
 */
export async function searchThoroughly(grey: Mat, signal: AbortSignal): Promise<Box[]> {
  const found: Box[] = [];
  const loaded = loadCascades();
  const lanes = [PASSES.flatMap((pass) => looks(pass, false)), PASSES.flatMap((pass) => looks(pass, true))];
  const work = lanes.map(async (lane) => {
    for (const { pass, by } of lane) {
      if (signal.aborted) throw new SearchError("the search for faces took too long");
      found.push(...(await look(grey, loaded, pass, by)));
    }
  });
  // The picture is in use until both are done.
  const outcomes = await Promise.allSettled(work);
  for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
  return found;
}

/** Profiles have a cascade of their own, so that they can be looked for beside the others. */
function looks(pass: Pass, profiles: boolean): { readonly pass: Pass; readonly by: Searcher }[] {
  return pass.by.filter((by) => isProfile(by) === profiles).map((by) => ({ pass, by }));
}

function isProfile(by: Searcher): boolean {
  return by === "left" || by === "right";
}

interface LoadedCascades extends Cascades {
  readonly third: Cascade;
}

let cascades: LoadedCascades | undefined;

/** On first use: most devices never need them, and it takes 0.1 s. */
function loadCascades(): LoadedCascades {
  cascades ??= {
    main: loadCascade("frontalface_default"),
    second: loadCascade("frontalface_alt2"),
    third: loadCascade("frontalface_alt"),
    profile: loadCascade("profileface"),
  };
  return cascades;
}

async function look(grey: Mat, loaded: LoadedCascades, pass: Pass, by: Searcher): Promise<Box[]> {
  const [width, height] = turnedSize(grey.cols, grey.rows, pass.angle);
  const scale = Math.min(LARGEST_SCALE, Math.sqrt(pass.pixels / (grey.cols * grey.rows)));
  const patch = cutPatch(
    grey,
    { x: grey.cols / 2, y: grey.rows / 2, width, height, angle: pass.angle },
    Math.max(SMALLEST_WINDOW, Math.round(width * scale)),
  );
  const options = {
    minSize: SMALLEST_WINDOW,
    scaleFactor: isProfile(by) ? PROFILE_SCALE_FACTOR : SCALE_FACTOR,
    minNeighbors: MIN_NEIGHBORS,
  };
  try {
    const hits =
      by === "third"
        ? await loaded.third.scan(patch.picture, options)
        : await scanBy(loaded, patch.picture, by, options);
    return hits.map(({ box }) => patch.toFrame(box));
  } finally {
    patch.picture.release();
  }
}
