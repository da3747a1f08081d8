import { type Box, intersectionOverUnion } from "../base/box.js";

/** A face seen in one frame. */
export interface Sighting {
  /** In pixels of the frame. */
  readonly box: Box;
  /**
   * How sure the finder is: the number of overlapping cascade hits; of a template match the
   * correlation, up to 1.
   */
  readonly score: number;
  /** `cascade` found a face; `template` found again what a track looked like a moment ago. */
  readonly by: "cascade" | "template";
  /** The track whose look was found again; null where the cascade looked without regard to tracks. */
  readonly trackId: string | null;
  /** How far the head is tilted, in degrees, clockwise in the picture; 0 when absent. */
  readonly angle?: number;
  /** Looks of the cascades in this frame that agree on it; 1 when absent. */
  readonly looks?: number;
}

/** Two hits whose overlap is more than this are one face. */
const SAME_FACE_OVERLAP = 0.3;
/** A hit of which more than this lies in a stronger one is a part of that face. */
const CONTAINED = 0.6;
/** So is one much smaller than the other, of which less lies in it: an open mouth with the chin looks like a face. */
const PART = 0.5;
const PART_SIZE = 0.7;

/**
 * One sighting a face: of overlapping ones the strongest stays. The cascade goes before templates, a larger
 * count of hits before a smaller.
 */
export function suppressOverlaps(sightings: readonly Sighting[]): Sighting[] {
  const byStrength = [...sightings].sort((a, b) => rank(b) - rank(a) || b.box.width - a.box.width);
  const kept: Sighting[] = [];
  for (const candidate of byStrength) {
    if (!kept.some((stronger) => isSameFace(stronger.box, candidate.box))) kept.push(candidate);
  }
  return kept;
}

function rank(sighting: Sighting): number {
  return (sighting.by === "cascade" ? 1_000_000 : 0) + sighting.score;
}

function isSameFace(a: Box, b: Box): boolean {
  const overlap = intersectionOverUnion(a, b);
  if (overlap === 0) return false;
  if (overlap > SAME_FACE_OVERLAP) return true;
  const areaA = a.width * a.height;
  const areaB = b.width * b.height;
  const intersection = (overlap * (areaA + areaB)) / (1 + overlap);
  const [smaller, larger] = areaA < areaB ? [areaA, areaB] : [areaB, areaA];
  const isPart = Math.sqrt(smaller / larger) < PART_SIZE;
  return intersection / smaller > (isPart ? PART : CONTAINED);
}

/** Whether the middle of a sighting lies in a box. */
export function isNear(box: Box, sighting: Pick<Sighting, "box">): boolean {
  const x = sighting.box.x + sighting.box.width / 2;
  const y = sighting.box.y + sighting.box.height / 2;
  return x > box.x && x < box.x + box.width && y > box.y && y < box.y + box.height;
}
