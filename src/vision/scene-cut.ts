import type { Thumbnail } from "./motion.js";

/** Tells when a camera, or a film, shows something else than a moment ago. Pure but for its state. */
export interface SceneCuts {
  /**
   * Takes a frame's thumbnail in, each of them and in order.
   *
   * @param at when the frame was taken, in milliseconds on the frames' steady clock; a file's may go back.
   * @returns whether a quarter of the picture is another than it was up to three seconds ago: at once or by and by, by
   *   another place, a fade or another light. What a slow pan leaves in the picture is no news.
   */
  update(thumbnail: Thumbnail, at: number): boolean;
  /** Begins anew: the next picture is compared with nothing. */
  forget(): void;
}

/** How long a picture is compared with those that come, in milliseconds, and the time between two that are kept. */
const REMEMBERED = 3000;
const APART = 300;
/**
 * Share of the picture that is another in a cut. Of two photos that have nothing in common it is 0.36 and more, halfway
 * between them 0.1 to 0.5; people who walk, nod or lean forward change 0.14 at most.
 */
const CUT = 0.25;

interface Kept {
  readonly range: LocalRange;
  readonly at: number;
}

export function createSceneCuts(): SceneCuts {
  let kept: Kept[] = [];
  let previous: Kept | undefined;

  function update(thumbnail: Thumbnail, at: number): boolean {
    const now = { range: localRange(halved(thumbnail)), at };
    kept = kept.filter((one) => Math.abs(at - one.at) <= REMEMBERED);
    // Of a camera with a frame in five seconds the one before is the only one.
    const before = previous === undefined ? kept : [previous, ...kept];
    const cut = before.some((one) => isAnother(one.range, now.range));
    previous = now;
    // What was before a cut is no measure of what comes: a fade that goes on is another one.
    if (cut) kept = [now];
    else if (kept.every((one) => Math.abs(at - one.at) >= APART)) kept.push(now);
    return cut;
  }

  return {
    update,
    forget() {
      kept = [];
      previous = undefined;
    },
  };
}

function isAnother(before: LocalRange, after: LocalRange): boolean {
  if (changedShare(before, after, NOWHERE) <= CUT) return false;
  // It may be the same, seen by a camera that moves: mostly along one of the two.
  const shift = shiftBetween(before, after);
  const shifts = [shift, { ...shift, down: 0 }, { ...shift, across: 0 }];
  return shifts.every((moved) => changedShare(before, after, moved) > CUT);
}

/** Half as many cells across and down: enough for this, and a quarter of the work. */
function halved({ columns, rows, cells }: Thumbnail): Thumbnail {
  if (columns < 2 || rows < 2) return { columns, rows, cells };
  const half = { columns: columns >> 1, rows: rows >> 1 };
  const means = new Uint8Array(half.columns * half.rows);
  for (let row = 0; row < half.rows; row++) {
    for (let column = 0; column < half.columns; column++) {
      const above = 2 * row * columns + 2 * column;
      const below = above + columns;
      const pair = (index: number) => (cells[index] as number) + (cells[index + 1] as number);
      means[row * half.columns + column] = (pair(above) + pair(below)) >> 2;
    }
  }
  return { ...half, cells: means };
}

/** A thumbnail, and the darkest and the lightest cell around each: what lies there when something moves by a cell. */
interface LocalRange extends Thumbnail {
  readonly darkest: Uint8Array;
  readonly lightest: Uint8Array;
}

/** By how many cells a picture has moved. */
interface Shift {
  readonly across: number;
  readonly down: number;
}

const NOWHERE: Shift = { across: 0, down: 0 };
/** Grey levels by which the mean of a cell changes where something else is to be seen: noise is a tenth of it. */
const CHANGED = 24;

function localRange({ columns, rows, cells }: Thumbnail): LocalRange {
  const darkest = Uint8Array.from(cells);
  const lightest = Uint8Array.from(cells);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const index = row * columns + column;
      for (let y = Math.max(0, row - 1); y <= Math.min(rows - 1, row + 1); y++) {
        for (let x = Math.max(0, column - 1); x <= Math.min(columns - 1, column + 1); x++) {
          const level = cells[y * columns + x] as number;
          if (level < (darkest[index] as number)) darkest[index] = level;
          if (level > (lightest[index] as number)) lightest[index] = level;
        }
      }
    }
  }
  return { columns, rows, cells, darkest, lightest };
}

/**
 * How much of the picture is another: the share of cells, 0 to 1, with a grey level that was nowhere near before. A
 * change of light counts, for it may show who was in the dark; so does another size.
 *
 * @param shift of what is in the picture; what came into view by it counts as another.
 */
function changedShare(before: LocalRange, after: LocalRange, { across, down }: Shift): number {
  const { columns, rows } = after;
  if (before.columns !== columns || before.rows !== rows) return 1;
  const { darkest, lightest } = before;
  let same = 0;
  for (let row = Math.max(0, down); row < Math.min(rows, rows + down); row++) {
    for (let column = Math.max(0, across); column < Math.min(columns, columns + across); column++) {
      const level = after.cells[row * columns + column] as number;
      const then = (row - down) * columns + column - across;
      if (level >= (darkest[then] as number) - CHANGED && level <= (lightest[then] as number) + CHANGED)
        same++;
    }
  }
  return 1 - same / (columns * rows);
}

/** The largest share of the picture's width, and of its height, by which a camera may have moved. */
const LARGEST_SHIFT = 0.4;

/** How far the picture has moved, by the sums of its columns and of its rows: cheap, and right for a pan or a tilt. */
function shiftBetween(before: Thumbnail, after: Thumbnail): Shift {
  const { columns, rows } = after;
  if (before.columns !== columns || before.rows !== rows) return NOWHERE;
  return {
    across: shiftOf(means(before, true), means(after, true)),
    down: shiftOf(means(before, false), means(after, false)),
  };
}

/** The mean of each column, or of each row. */
function means({ columns, rows, cells }: Thumbnail, ofColumns: boolean): Float64Array {
  const sums = new Float64Array(ofColumns ? columns : rows);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const place = ofColumns ? column : row;
      sums[place] = (sums[place] as number) + (cells[row * columns + column] as number);
    }
  }
  return sums.map((sum) => sum / (ofColumns ? rows : columns));
}

/** The shift at which two rows of levels differ least where they overlap, apart from their mean. */
function shiftOf(before: Float64Array, after: Float64Array): number {
  const farthest = Math.floor(before.length * LARGEST_SHIFT);
  let best = { shift: 0, difference: Number.POSITIVE_INFINITY };
  for (let shift = -farthest; shift <= farthest; shift++) {
    const difference = variance(before, after, shift);
    if (difference < best.difference) best = { shift, difference };
  }
  return best.shift;
}

function variance(before: Float64Array, after: Float64Array, shift: number): number {
  let [count, sum, squares] = [0, 0, 0];
  for (let place = Math.max(0, shift); place < Math.min(after.length, after.length + shift); place++) {
    const difference = (after[place] as number) - (before[place - shift] as number);
    count++;
    sum += difference;
    squares += difference * difference;
  }
  return count === 0 ? Number.POSITIVE_INFINITY : squares / count - (sum / count) ** 2;
}
