import { cv, type Mat } from "../../src/base/opencv.js";
import { defaultConfig } from "../../src/config/load.js";
import type { Config } from "../../src/config/schema.js";
import { loadCascade } from "../../src/vision/cascade.js";
import { createFaceFinder } from "../../src/vision/finder.js";
import { createTracker } from "../../src/vision/tracker.js";
import { readClip } from "../ground-truth/read-clip.js";
import type { ReportedFace } from "./accuracy.js";

/** A way to find the faces of one frame after another. */
export interface Subject {
  readonly name: string;
  /** @param at milliseconds from the first frame. */
  process(grey: Mat, at: number): Promise<readonly ReportedFace[]>;
}

/** What every tutorial does: the whole frame, every frame, with whatever sizes there are. */
export function plainLoop(scaleFactor: number, minNeighbors: number): Subject {
  const cascade = loadCascade("frontalface_default");
  return {
    name: `plain (${scaleFactor}, ${minNeighbors})`,
    async process(grey) {
      const hits = await cascade.scan(grey, { minSize: 0, scaleFactor, minNeighbors });
      return hits.map(({ box }) => ({ id: null, box }));
    },
  };
}

/** Finder and tracker as the pipeline runs them; the faces are those that the daemon would publish. */
export function ours(config: Config = defaultConfig()): Subject {
  const finder = createFaceFinder(config.detector);
  let count = 0;
  const tracker = createTracker({ lostAfter: config.events.lostAfter * 1000, newId: () => `${++count}` });
  return {
    name: "emotiond",
    async process(grey, at) {
      const sightings = await finder.find(grey, tracker.tracks, at);
      const tracks = tracker.update(sightings, at);
      await finder.remember(grey, tracks);
      return tracks.filter((track) => track.confirmed);
    },
  };
}

/** CPU milliseconds of this process, all threads. */
export function cpuTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** How a picture of another shape comes to a size: out of shape, or with black bars. */
export type Fit = "stretch" | "bars";

/** Where a picture comes to lie in a frame. */
export interface Placement {
  readonly x: number;
  readonly y: number;
  /** Pixels of the frame in a pixel of the picture. */
  readonly across: number;
  readonly down: number;
}

/** Scales a picture into the middle of a frame. */
export function placement(
  picture: { readonly width: number; readonly height: number },
  frame: { readonly width: number; readonly height: number },
  fit: Fit,
): Placement {
  const [across, down] = [frame.width / picture.width, frame.height / picture.height];
  if (fit === "stretch") return { x: 0, y: 0, across, down };
  const scale = Math.min(across, down);
  return {
    x: Math.floor((frame.width - picture.width * scale) / 2),
    y: Math.floor((frame.height - picture.height * scale) / 2),
    across: scale,
    down: scale,
  };
}

/** The grey frames of a clip at a size; the caller releases them. */
export function greyFrames(file: string, width: number, height: number, fit: Fit = "stretch"): Mat[] {
  return readClip(file).map((picture) => {
    const grey = picture.cvtColor(cv.COLOR_BGR2GRAY);
    picture.release();
    if (grey.cols === width && grey.rows === height) return grey;
    const place = placement({ width: grey.cols, height: grey.rows }, { width, height }, fit);
    const scaled = grey.resize(
      Math.round(grey.rows * place.down),
      Math.round(grey.cols * place.across),
      0,
      0,
      cv.INTER_LINEAR,
    );
    grey.release();
    if (scaled.cols === width && scaled.rows === height) return scaled;
    const [right, bottom] = [width - scaled.cols - place.x, height - scaled.rows - place.y];
    const whole = scaled.copyMakeBorder(place.y, bottom, place.x, right, cv.BORDER_CONSTANT);
    scaled.release();
    return whole;
  });
}
