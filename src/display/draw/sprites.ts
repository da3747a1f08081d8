import { type Box, clipToFrame } from "../../base/box.js";
import { cv, type Mat } from "../../base/opencv.js";
import { type Canvas, createCanvas } from "./canvas.js";

/**
 * Drawings that come again in every picture, such as the names beside the bars: text is most of what a picture
 * costs, and copying it a tenth of drawing it. Their pixels live in buffers, so the garbage collector sees them.
 */
export interface Sprites {
  /** Puts a drawing on a picture; `draw` makes it on black the first time, and what stays black lets through. */
  stamp(picture: Mat, key: string, at: Box, draw: (blank: Mat) => void): void;
  clear(): void;
}

interface Sprite {
  readonly drawing: Canvas;
  readonly mask: Mat;
  /** The mask's pixels: the Mat is a view of them, and does not keep them alive. */
  readonly maskPixels: Buffer;
}

/** More than a scene of seven emotions in two forms needs. */
const MOST = 32;

export function createSprites(): Sprites {
  const sprites = new Map<string, Sprite>();
  const release = ({ drawing, mask }: Sprite) => {
    drawing.release();
    mask.release();
  };
  const get = (key: string, width: number, height: number, draw: (blank: Mat) => void): Sprite => {
    const known = sprites.get(key);
    if (known !== undefined) return known;
    const [oldest] = sprites;
    if (sprites.size >= MOST && oldest !== undefined) {
      sprites.delete(oldest[0]);
      release(oldest[1]);
    }
    const drawing = createCanvas(width, height);
    draw(drawing.mat);
    const sprite = { drawing, ...maskOf(drawing) };
    sprites.set(key, sprite);
    return sprite;
  };
  return {
    stamp: (picture, key, at, draw) => {
      const width = Math.round(at.width);
      const height = Math.round(at.height);
      const part = clipToFrame(
        { x: Math.round(at.x), y: Math.round(at.y), width, height },
        picture.cols,
        picture.rows,
      );
      if (width < 1 || height < 1 || part.width < 1 || part.height < 1) return;
      const { drawing, mask } = get(`${width}x${height} ${key}`, width, height, draw);
      const source = new cv.Rect(0, 0, part.width, part.height);
      const target = picture.getRegion(new cv.Rect(part.x, part.y, part.width, part.height));
      const from = drawing.mat.getRegion(source);
      const through = mask.getRegion(source);
      try {
        from.copyTo(target, through).release();
      } finally {
        through.release();
        from.release();
        target.release();
      }
    },
    clear: () => {
      for (const sprite of sprites.values()) release(sprite);
      sprites.clear();
    },
  };
}

function maskOf({ mat, width, height }: Canvas): { mask: Mat; maskPixels: Buffer } {
  const maskPixels = Buffer.alloc(width * height);
  const mask = new cv.Mat(height, width, cv.CV_8UC1, maskPixels, width);
  const grey = mat.cvtColor(cv.COLOR_BGR2GRAY);
  try {
    grey.copyTo(mask).release();
    return { mask, maskPixels };
  } finally {
    grey.release();
  }
}
