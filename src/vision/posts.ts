import type { Box } from "../base/box.js";
import type { Look } from "./look.js";
import { LARGE, WINDOW } from "./scan-unit.js";

/** A place in the rota: one tile of one band of sizes at one tilt. */
export interface Post {
  /** Where the middles of the faces looked for lie, in pixels of the frame. */
  readonly core: Box;
  readonly minSize: number;
  readonly maxSize: number;
  readonly angle: number;
  /** How often what had changed in it was looked at, and how often all of it was. */
  turns: number;
  sweeps: number;
  /** Which cascades sweep it, in turn: each has had its turn before sweeps become seldom. */
  readonly rota: readonly Look["by"][];
  /** When what had changed in it was last looked at, and when all of it was. */
  scannedAt: number;
  sweptAt: number;
  /** When it is to be looked at again, if something changes. */
  dueAt: number;
}

/** Tilts of the heads looked for, in degrees: the cascades themselves forgive some twelve either way. */
const ANGLES = [0, -25, 25, -50, 50] as const;
/** A tile's side, in largest faces of its band: small enough to spread over frames, large enough to share margins. */
const TILE = 3;
/**
 * Who sweeps what: the smallest upright faces cost most and are worth least, larger ones and tilted heads are given
 * more looks, and heads half turned those of the profile cascade.
 */
export const ROTA = {
  small: ["main", "second"],
  large: ["main", "second", "left", "main", "second", "right", "main", "second"],
  tilted: ["main", "second"],
} as const;

/**
 * All posts of a frame. Bands of sizes: the small ones, then an octave each; the larger the faces, the fewer and larger
 * the tiles.
 *
 * @param minFace the smallest face, in pixels.
 */
export function createPosts(width: number, height: number, minFace: number): Post[] {
  const largest = Math.min(width, height);
  const never = Number.NEGATIVE_INFINITY;
  const posts: Post[] = [];
  const smallest = Math.max(WINDOW, minFace);
  const bands = [{ minSize: smallest, maxSize: LARGE * smallest }];
  for (let minSize = LARGE * smallest; minSize <= largest; minSize *= 2)
    bands.push({ minSize, maxSize: Math.min(2 * minSize, largest) });
  for (const angle of ANGLES) {
    for (const { minSize, maxSize } of bands) {
      if (angle !== 0 && minSize === smallest) continue;
      const rota = angle !== 0 ? ROTA.tilted : minSize === smallest ? ROTA.small : ROTA.large;
      const columns = Math.max(1, Math.round(width / (TILE * maxSize)));
      const rows = Math.max(1, Math.round(height / (TILE * maxSize)));
      for (let row = 0; row < rows; row++) {
        for (let column = 0; column < columns; column++) {
          const core = {
            x: (column * width) / columns,
            y: (row * height) / rows,
            width: width / columns,
            height: height / rows,
          };
          const past = { turns: 0, sweeps: 0, scannedAt: never, sweptAt: never, dueAt: never };
          posts.push({ core, minSize, maxSize, angle, rota, ...past });
        }
      }
    }
  }
  return posts;
}

/** Whether the next sweep's cascade had the other sizes before: it has two turns in a row of all that look. */
export function isBetween(post: Post): boolean {
  const turns = post.rota === ROTA.large ? 3 : post.rota.length;
  return Math.floor(post.sweeps / turns) % 2 === 1;
}
