/** A rectangle in pixels or in fractions of a frame; the context says which. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Intersection over union of two boxes in the same unit: 0 (apart) to 1 (equal). */
export function intersectionOverUnion(a: Box, b: Box): number {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  if (width <= 0 || height <= 0) return 0;
  const intersection = width * height;
  return intersection / (a.width * a.height + b.width * b.height - intersection);
}

/** Pixels to fractions (0..1) of a frame of the given size, clipped to the frame. */
export function toFractions(box: Box, frameWidth: number, frameHeight: number): Box {
  const left = clamp(box.x / frameWidth, 0, 1);
  const top = clamp(box.y / frameHeight, 0, 1);
  const right = clamp((box.x + box.width) / frameWidth, 0, 1);
  const bottom = clamp((box.y + box.height) / frameHeight, 0, 1);
  return { x: left, y: top, width: right - left, height: bottom - top };
}

/** The part of a pixel box that lies in a frame, in whole pixels; width or height 0 when none does. */
export function clipToFrame(box: Box, frameWidth: number, frameHeight: number): Box {
  const left = clamp(Math.floor(box.x), 0, frameWidth);
  const top = clamp(Math.floor(box.y), 0, frameHeight);
  const right = clamp(Math.ceil(box.x + box.width), left, frameWidth);
  const bottom = clamp(Math.ceil(box.y + box.height), top, frameHeight);
  return { x: left, y: top, width: right - left, height: bottom - top };
}

export function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}

/** The box with so much more on each side, as a share of its own width and height. */
export function grown(box: Box, share: number): Box {
  const [across, down] = [box.width * share, box.height * share];
  return {
    x: box.x - across,
    y: box.y - down,
    width: box.width + 2 * across,
    height: box.height + 2 * down,
  };
}
