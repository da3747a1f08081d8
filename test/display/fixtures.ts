import type { EmotionLabel, FaceLabel } from "../../src/base/labels.js";
import type { Logger } from "../../src/base/logger.js";
import { cv, type Mat } from "../../src/base/opencv.js";
import type { Frame } from "../../src/camera/frame.js";
import type { Scene, SceneFace } from "../../src/display/scene.js";

export type Pixel = readonly [red: number, green: number, blue: number];

/** A picture of one colour. */
export function plain(width: number, height: number, [red, green, blue]: Pixel = [60, 60, 60]): Mat {
  return new cv.Mat(height, width, cv.CV_8UC3, [blue, green, red]);
}

export function pixelAt(picture: Mat, x: number, y: number): Pixel {
  const [blue = 0, green = 0, red = 0] = picture.atRaw(Math.round(y), Math.round(x)) as unknown as number[];
  return [red, green, blue];
}

/** How many pixels of a rectangle have a colour, give or take `tolerance` in each channel. */
export function count(
  picture: Mat,
  [red, green, blue]: Pixel,
  area = { x: 0, y: 0, width: picture.cols, height: picture.rows },
  tolerance = 0,
): number {
  const region = picture.getRegion(new cv.Rect(area.x, area.y, area.width, area.height));
  const mask = region.inRange(
    new cv.Vec3(blue - tolerance, green - tolerance, red - tolerance),
    new cv.Vec3(blue + tolerance, green + tolerance, red + tolerance),
  );
  try {
    return mask.countNonZero();
  } finally {
    mask.release();
    region.release();
  }
}

export function scoresOf(label: EmotionLabel, confidence: number): SceneFace["scores"] {
  const rest = (1 - confidence) / 6;
  const scores = {
    angry: rest,
    disgust: rest,
    fear: rest,
    happy: rest,
    sad: rest,
    surprise: rest,
    neutral: rest,
  };
  return { ...scores, [label]: confidence };
}

export function faceAt(
  x: number,
  y: number,
  size: number,
  label: FaceLabel = "happy",
  trackId = `${x},${y}`,
): SceneFace {
  const scored = label === "uncertain" ? "neutral" : label;
  const confidence = label === "uncertain" ? 0.3 : 0.9;
  return {
    box: { x, y, width: size, height: size },
    label,
    confidence,
    scores: scoresOf(scored, confidence),
    trackId,
    ageSeconds: 12,
  };
}

export function sceneWith(faces: readonly SceneFace[], changes: Partial<Scene> = {}): Scene {
  return {
    device: "kitchen",
    faces,
    hidden: [],
    fps: 29.7,
    broker: "connected",
    camera: "running",
    clock: "14:05:09",
    ...changes,
  };
}

/** A frame of one colour that tells when it is used after its release. */
export function frameOf(width = 640, height = 480, colour: Pixel = [60, 60, 60]) {
  const picture = plain(width, height, colour);
  const grey = new cv.Mat(height, width, cv.CV_8UC1, colour[0]);
  let released = false;
  let asked = 0;
  const frame: Frame = {
    number: 1,
    takenAt: Date.now(),
    steadyAt: performance.now(),
    width,
    height,
    grey,
    picture: async () => {
      if (released) throw new Error("picture() after release()");
      asked++;
      return picture;
    },
    release: () => {
      released = true;
      picture.release();
      grey.release();
    },
  };
  return { frame, asked: () => asked };
}

export interface Line {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly message: string;
}

/** A logger that keeps what it is told. */
export function memoryLogger(): { logger: Logger; lines: Line[] } {
  const lines: Line[] = [];
  const at =
    (level: Line["level"]) =>
    (...args: unknown[]) => {
      lines.push({ level, message: String(args.at(-1)) });
    };
  const logger = { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
  return { logger: logger as unknown as Logger, lines };
}

/** Waits until something holds, asking every few milliseconds; fails loudly when it never does. */
export async function until(holds: () => boolean, what: string, timeout = 15_000): Promise<void> {
  const deadline = Date.now() + timeout;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`waited ${timeout} ms for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
