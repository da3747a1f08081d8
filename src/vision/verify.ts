import { intersectionOverUnion } from "../base/box.js";
import type { Mat } from "../base/opencv.js";
import { isOnChest } from "./chest.js";
import { confirmingLooks, type Look } from "./look.js";
import { askCascade, type Cascades, FINE, type Found } from "./neighbourhood.js";
import { isNear, type Sighting } from "./sighting.js";

/** What a scan came upon, and no other cascade has looked at yet. */
export interface Guess {
  readonly sighting: Sighting;
  readonly by: Look["by"];
  /** Frames in which it was looked at. */
  readonly frames: number;
}

/** Hits on a guess, in all looks together, that make it a face when two cascades agree; and hits in one look alone. */
const EVIDENCE = 7;
const STRONG = 14;
/** How many times the hits a guess on somebody's chest needs. */
const CHEST_DOUBT = 2;
/** Overlap from which two looks saw the same. */
const SAME_PLACE = 0.5;
/** Looks at a guess after which most are decided. */
const SURE_AFTER = 2;
/** How many times the hits of a face that is seen well. */
const SURE = 2;
/** Frames in which a guess is looked at before it is given up. */
const GUESS_FRAMES = 5;

/**
 * Two cascades seldom share a false alarm: what is new is believed when another sees it too, or one sees it well.
 *
 * @param faces of the frame that are known already.
 * @returns the face, or the guess to look at again in the next frame; neither when it is none.
 */
export async function verify(
  cascades: Cascades,
  grey: Mat,
  guess: Guess,
  faces: readonly Sighting[],
): Promise<{ face: Sighting | null; again: Guess | null }> {
  const { sighting, by } = guess;
  // Heads do not hold other people's faces: a group of them looks like a large one.
  if (faces.filter(({ box }) => isNear(sighting.box, { box })).length > 1) return { face: null, again: null };
  const doubt = faces.some(({ box }) => isOnChest(sighting.box, box)) ? CHEST_DOUBT : 1;
  let own: Found | null = null;
  let best: Found | null = null;
  const seen: (Found & { readonly by: Look["by"] })[] = [];
  for (const [index, look] of confirmingLooks(by).entries()) {
    // Nearly every face is seen by both frontal cascades as it was found. One seen weakly may be tilted.
    if (index === SURE_AFTER && (best === null || isAgreed(best, seen, by, SURE * doubt))) break;
    const found = await askCascade(
      cascades,
      grey,
      sighting.box,
      look.by,
      (sighting.angle ?? 0) + look.turn,
      FINE,
    );
    if (found === null) continue;
    seen.push({ ...found, by: look.by });
    // The tilt that is seen best is the face's; a profile's box is the least exact.
    const isFrontal = look.by === "main" || look.by === "second";
    if (best === null || (isFrontal && found.neighbors > best.neighbors)) best = found;
    if (look.by === by && (own === null || found.neighbors > own.neighbors)) own = found;
  }
  if (best !== null && isAgreed(best, seen, by, doubt)) return { face: agreed(best), again: null };
  // The one sees it still: the next frames may show it to the other, too.
  const tried = guess.frames + 1;
  if (own === null || tried === GUESS_FRAMES) return { face: null, again: null };
  return { face: null, again: { sighting: agreed(own), by, frames: tried } };
}

/**
 * Two cascades see it in the same place, and well enough together; or one sees it well.
 *
 * @param doubt how many times as well as usual.
 */
function isAgreed(
  best: Found,
  seen: readonly (Found & { readonly by: Look["by"] })[],
  by: Look["by"],
  doubt: number,
): boolean {
  if (best.neighbors >= doubt * STRONG) return true;
  const there = seen.filter(({ box }) => intersectionOverUnion(box, best.box) >= SAME_PLACE);
  const hits = there.reduce((sum, { neighbors }) => sum + neighbors, 0);
  return there.some((look) => look.by !== by) && hits >= doubt * EVIDENCE;
}

function agreed({ box, neighbors, angle }: Found): Sighting {
  return { box, score: neighbors, by: "cascade", trackId: null, angle, looks: 2 };
}
