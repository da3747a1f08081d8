import { type Box, clipToFrame } from "../base/box.js";
import type { Look } from "./look.js";

/** A look at a part of the frame for faces of some sizes at one tilt. */
export interface ScanUnit {
  /** In pixels of the frame: as it is after turning by `angle` about its middle. */
  readonly region: Box;
  /** Smallest and largest face, in pixels of the frame. */
  readonly minSize: number;
  readonly maxSize: number;
  /** How far the heads looked for are tilted, in degrees, clockwise in the picture. */
  readonly angle: number;
  /** Which cascade looks: what one misses (a beard, glasses) another may see, and so they take turns. */
  readonly by: Look["by"];
  /** Width in pixels to which the smallest face is brought before it is looked for. */
  readonly face: number;
  readonly scaleFactor: number;
  /** What it costs: the windows that a frontal cascade tries in the same time, about. */
  readonly windows: number;
}

/** The window that OpenCV's frontal cascades were trained on, in pixels. */
export const WINDOW = 24;
/** From this many times the smallest size on a face counts as large: it is looked for tilted and half turned, too. */
export const LARGE = 1.5;
/**
 * Width in pixels to which a scan brings the smallest face that it looks for. At 24 it loses a third of the weak ones
 * (beard, glasses, blur); at 36 it finds hardly more, at twice the cost, for most windows are then one pixel apart.
 * Tilted and turned heads have several looks, and each may be a quick one.
 */
const FACE = 30;
const QUICK_FACE = 24;
/** Every second sweep by a cascade tries the sizes in between: of a scene that stands still it would tell the same. */
const FACE_BETWEEN = 27.4;
/** The profile cascade's window is smaller: at its own size it is as quick. */
const PROFILE_FACE = 18.8;
/** Least step between the sizes of profiles: it keeps all their windows two pixels apart. */
const PROFILE_STEP = 1.25;
/** What a window costs the profile cascade, in windows of a frontal one. */
const PROFILE_COST = 2.5;

/** A size of frame and how finely it is searched. */
export interface ScanSettings {
  /** Of the frame, in pixels. */
  readonly width: number;
  readonly height: number;
  /** Step between the sizes that a scan tries. */
  readonly scaleFactor: number;
}

/** Sizes of the faces looked for, in pixels of the frame, and their tilt in degrees. */
export interface FaceRange {
  readonly minSize: number;
  readonly maxSize: number;
  readonly angle: number;
}

/**
 * The look for the faces whose middle lies in a part of the frame.
 *
 * @param between whether to try the sizes between those of other looks.
 */
export function scanUnitOf(
  settings: ScanSettings,
  range: FaceRange,
  part: Box,
  by: Look["by"],
  between = false,
): ScanUnit {
  const { minSize, maxSize, angle } = range;
  const region = angle === 0 ? around(settings, part, maxSize) : aroundTilted(settings, part, range);
  const isProfile = by === "left" || by === "right";
  // OpenCV's sizes are powers of the step: with a larger one a band may lie between two of them.
  const step = Math.min(LARGE, settings.scaleFactor);
  const scaleFactor = isProfile ? Math.max(PROFILE_STEP, step) : step;
  const upright = between ? FACE_BETWEEN : FACE;
  const face = isProfile ? PROFILE_FACE : angle === 0 ? upright : QUICK_FACE;
  const unit = { region, minSize, maxSize, angle, by, face, scaleFactor };
  const windows = windowsIn(unit) * (isProfile ? PROFILE_COST : 1);
  return { ...unit, windows };
}

/** How many windows a cascade tries in a region: the cost of a scan in a unit that is the same on every device. */
function windowsIn(unit: Omit<ScanUnit, "windows" | "by">): number {
  const { region, minSize, maxSize, face, scaleFactor } = unit;
  let windows = 0;
  for (let size = minSize; size <= maxSize; size *= scaleFactor) {
    // OpenCV's own rule for the pixels between windows.
    const step = (size / minSize) * face > 2 * WINDOW ? 1 : 2;
    const columns = Math.floor(((region.width * WINDOW) / size - WINDOW) / step) + 1;
    const rows = Math.floor(((region.height * WINDOW) / size - WINDOW) / step) + 1;
    if (columns > 0 && rows > 0) windows += columns * rows;
  }
  return windows;
}

/** The whole of a face whose middle is in the part. */
function around({ width, height }: ScanSettings, { x, y, ...part }: Box, size: number): Box {
  const whole = {
    x: x - size / 2,
    y: y - size / 2,
    width: part.width + size,
    height: part.height + size,
  };
  return clipToFrame(whole, width, height);
}

/** The same for tilted ones. What a corner of the turned picture takes from outside the frame is for nothing. */
function aroundTilted(
  { width, height }: ScanSettings,
  part: Box,
  { minSize, maxSize, angle }: FaceRange,
): Box {
  const [cos, sin] = turned(angle);
  // The middle of a face that is all in the frame is half a face inside: that of the smallest at least.
  const left = Math.max(part.x, minSize / 2);
  const top = Math.max(part.y, minSize / 2);
  const wide = Math.max(0, Math.min(part.x + part.width, width - minSize / 2) - left);
  const high = Math.max(0, Math.min(part.y + part.height, height - minSize / 2) - top);
  const across = wide * cos + high * sin + maxSize;
  const down = wide * sin + high * cos + maxSize;
  // Nor is there more room for a large face than the frame, turned, has for its middle.
  const room = (size: number, a: number, b: number) =>
    Math.max(0, width - size) * a + Math.max(0, height - size) * b + size;
  const region = {
    width: Math.min(across, Math.max(room(minSize, cos, sin), room(maxSize, cos, sin))),
    height: Math.min(down, Math.max(room(minSize, sin, cos), room(maxSize, sin, cos))),
  };
  return {
    x: left + (wide - region.width) / 2,
    y: top + (high - region.height) / 2,
    ...region,
  };
}

function turned(angle: number): [cos: number, sin: number] {
  const radians = (angle * Math.PI) / 180;
  return [Math.abs(Math.cos(radians)), Math.abs(Math.sin(radians))];
}
