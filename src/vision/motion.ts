import type { Box } from "../base/box.js";

/** A small grey picture: one byte a cell, row by row. */
export interface Thumbnail {
  readonly columns: number;
  readonly rows: number;
  readonly cells: Uint8Array;
}

/** Remembers when each cell of the picture last changed. Pure but for its state. */
export interface MotionMap {
  /**
   * Takes a frame's thumbnail in.
   *
   * @param known faces that are followed, in fractions of the frame: what changes inside is no news. A face that
   *   was there in the call before and is not now leaves its cells changed.
   * @param at when the frame was taken, in milliseconds on the frames' steady clock.
   */
  update(thumbnail: Thumbnail, known: ReadonlyMap<string, Box>, at: number): void;
  /**
   * What changed after a moment, as a face that comes into view changes it: in a clump about as large as the face.
   * The sway of a shoulder's edge is none.
   *
   * @param part of the frame, in fractions.
   * @param size of the smallest face that counts, as a fraction of the frame's height.
   * @returns the rectangle around the clumps in the part, in fractions, or null when there are none.
   */
  changedSince(moment: number, part: Box, size: number): Box | null;
}

/**
 * Grey levels by which a cell must differ from what it was when it last changed. A cell averages some thirty
 * pixels, so a camera's noise (2 to 5 levels a pixel) stays well under it, and slow change adds up to it.
 */
const CHANGED = 6;
/** Side of a clump in face sizes, and the share of its cells that must have changed. */
const CLUMP = 0.6;
const CLUMP_SHARE = 0.6;
/**
 * From this size on, as a fraction of the frame's height, a face may cover most of the picture; then what it changes
 * looks like a change of light, and what stayed the same looks like the change. So for these sizes both count.
 */
const COVERING = 0.4;

export function createMotionMap(): MotionMap {
  let columns = 0;
  let rows = 0;
  let reference = new Uint8Array();
  let changedAt = new Float64Array();
  let before: ReadonlyMap<string, Box> = new Map();
  let newest = Number.NEGATIVE_INFINITY;
  let light = 0;
  let lightChangedAt = Number.NEGATIVE_INFINITY;

  function update(thumbnail: Thumbnail, known: ReadonlyMap<string, Box>, at: number): void {
    if (thumbnail.columns !== columns || thumbnail.rows !== rows) {
      ({ columns, rows } = thumbnail);
      reference = Uint8Array.from(thumbnail.cells);
      changedAt = new Float64Array(columns * rows).fill(at);
      newest = at;
      light = 0;
      before = known;
      return;
    }
    const { cells } = thumbnail;
    const shift = medianDifference(cells, reference);
    if (Math.abs(shift - light) > CHANGED) {
      light = shift;
      lightChangedAt = at;
      newest = at;
    }
    const [stamps, old] = [changedAt, reference];
    let changes = 0;
    for (let index = 0; index < cells.length; index++) {
      const difference = (cells[index] as number) - (old[index] as number) - shift;
      if (difference > CHANGED || difference < -CHANGED) {
        stamps[index] = at;
        old[index] = cells[index] as number;
        changes++;
      }
    }
    if (changes > 0) newest = at;
    for (const box of known.values()) {
      forEachCell(box, (index) => {
        changedAt[index] = Number.NEGATIVE_INFINITY;
        reference[index] = cells[index] as number;
      });
    }
    for (const [id, box] of before) {
      if (known.has(id)) continue;
      newest = at;
      forEachCell(box, (index) => {
        changedAt[index] = at;
      });
    }
    before = known;
  }

  function changedSince(moment: number, part: Box, size: number): Box | null {
    // Most frames of most scenes end here.
    if (newest <= moment) return null;
    if (size >= COVERING && lightChangedAt > moment) return part;
    const side = Math.max(2, Math.round(size * rows * CLUMP));
    const needed = CLUMP_SHARE * side * side;
    const reach = Math.floor(side / 2);
    // Clumps that lie across the part's edge count too.
    const from = cellsOf(part, reach);
    const across = from.right - from.left;
    const down = from.bottom - from.top;
    if (across < side || down < side) return null;
    // Sums over the columns of `side` rows at a time, moved down row by row.
    const stamps = changedAt;
    const columnSums = new Int32Array(across);
    const isNew = new Uint8Array(across * down);
    let [left, top, right, bottom] = [columns, rows, -1, -1];
    for (let row = 0; row < down; row++) {
      const [line, cell] = [row * across, (from.top + row) * columns + from.left];
      const leaving = line - side * across;
      let sum = 0;
      for (let column = 0; column < across; column++) {
        const present = (stamps[cell + column] as number) > moment ? 1 : 0;
        isNew[line + column] = present;
        const past = leaving >= 0 ? (isNew[leaving + column] as number) : 0;
        const now = (columnSums[column] as number) + present - past;
        columnSums[column] = now;
        sum += now;
        if (column >= side) sum -= columnSums[column - side] as number;
        if (sum < needed || row < side - 1 || column < side - 1) continue;
        if (from.left + column - side + 1 < left) left = from.left + column - side + 1;
        if (from.top + row - side + 1 < top) top = from.top + row - side + 1;
        if (from.left + column > right) right = from.left + column;
        bottom = from.top + row;
      }
    }
    if (right < 0) return null;
    return {
      x: left / columns,
      y: top / rows,
      width: (right + 1 - left) / columns,
      height: (bottom + 1 - top) / rows,
    };
  }

  function cellsOf(box: Box, reach: number): { left: number; top: number; right: number; bottom: number } {
    return {
      left: Math.max(0, Math.floor(box.x * columns) - reach),
      top: Math.max(0, Math.floor(box.y * rows) - reach),
      right: Math.min(columns, Math.ceil((box.x + box.width) * columns) + reach),
      bottom: Math.min(rows, Math.ceil((box.y + box.height) * rows) + reach),
    };
  }

  function forEachCell(box: Box, visit: (index: number) => void): void {
    const { left, top, right, bottom } = cellsOf(box, 0);
    for (let row = top; row < bottom; row++) {
      for (let column = left; column < right; column++) visit(row * columns + column);
    }
  }

  return { update, changedSince };
}

/** What a change of light or exposure adds to most of the picture, in grey levels. */
function medianDifference(a: Uint8Array, b: Uint8Array): number {
  const counts = new Int32Array(511);
  for (let index = 0; index < a.length; index++) {
    const level = 255 + (a[index] as number) - (b[index] as number);
    counts[level] = (counts[level] as number) + 1;
  }
  let below = 0;
  for (let level = 0; level < counts.length; level++) {
    below += counts[level] as number;
    if (2 * below > a.length) return level - 255;
  }
  return 0;
}
