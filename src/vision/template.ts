import { type Box, clipToFrame } from "./box.js";
import { cv, type Mat } from "./opencv.js";

/**
 * Remembers what each tracked face looked like a moment ago, and finds that look again where the cascade sees no
 * face: a head that tilts or turns keeps its track.
 */
export interface TemplateMemory {
  /** Takes a face's present look; the frame stays the caller's. */
  remember(trackId: string, grey: Mat, box: Box): Promise<void>;
  /**
   * Looks for a face near a box.
   *
   * @returns where it is, in pixels of the frame, or null when nothing near looks like it.
   */
  find(trackId: string, grey: Mat, near: Box): Promise<Box | null>;
  /** Frees the looks of all tracks but these. */
  keepOnly(trackIds: ReadonlySet<string>): void;
  release(): void;
}

/** Side of a remembered look, in pixels: enough to tell faces apart, and a search of it takes 0.1 ms. */
const SIDE = 28;
/** How far around a box to search, in face widths on each side. */
const SEARCH = 0.4;
/** Correlation from which a match is the same face (1 is equal). */
const SAME_LOOK = 0.72;

export function createTemplateMemory(): TemplateMemory {
  const looks = new Map<string, Mat>();

  async function remember(trackId: string, grey: Mat, box: Box): Promise<void> {
    const look = await scaled(grey, box, SIDE, SIDE);
    if (look === null) return;
    looks.get(trackId)?.release();
    looks.set(trackId, look);
  }

  async function find(trackId: string, grey: Mat, near: Box): Promise<Box | null> {
    const look = looks.get(trackId);
    if (look === undefined) return null;
    const wanted = {
      x: near.x - near.width * SEARCH,
      y: near.y - near.height * SEARCH,
      width: near.width * (1 + 2 * SEARCH),
      height: near.height * (1 + 2 * SEARCH),
    };
    const region = clipToFrame(wanted, grey.cols, grey.rows);
    const columns = Math.round((region.width / near.width) * SIDE);
    const rows = Math.round((region.height / near.height) * SIDE);
    if (columns < SIDE || rows < SIDE) return null;
    const picture = await scaled(grey, region, rows, columns);
    if (picture === null) return null;
    const response = await picture
      .matchTemplateAsync(look, cv.TM_CCOEFF_NORMED)
      .finally(() => picture.release());
    const best = await response.minMaxLocAsync().finally(() => response.release());
    // A look of one plain colour correlates with nothing: the result is not a number.
    if (!(best.maxVal >= SAME_LOOK)) return null;
    return {
      x: region.x + (best.maxLoc.x / columns) * region.width,
      y: region.y + (best.maxLoc.y / rows) * region.height,
      width: near.width,
      height: near.height,
    };
  }

  function keepOnly(trackIds: ReadonlySet<string>): void {
    for (const [trackId, look] of looks) {
      if (trackIds.has(trackId)) continue;
      look.release();
      looks.delete(trackId);
    }
  }

  return { remember, find, keepOnly, release: () => keepOnly(new Set()) };
}

/** A part of a picture at another size, or null when less than a pixel of it is in the picture. */
async function scaled(grey: Mat, box: Box, rows: number, columns: number): Promise<Mat | null> {
  const region = clipToFrame(box, grey.cols, grey.rows);
  if (region.width < 2 || region.height < 2) return null;
  const part = grey.getRegion(new cv.Rect(region.x, region.y, region.width, region.height));
  try {
    return await part.resizeAsync(rows, columns, 0, 0, cv.INTER_AREA);
  } finally {
    part.release();
  }
}
