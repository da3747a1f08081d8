import { type Box, intersectionOverUnion } from "../../src/base/box.js";
import { assign, FORBIDDEN } from "../../src/vision/assignment.js";

/** A face that a finder reports; `id` is null where it follows nobody. */
export interface ReportedFace {
  readonly id: string | null;
  readonly box: Box;
}

/** A face that is there. */
export interface TrueFace {
  readonly person: string;
  readonly box: Box;
}

export interface Accuracy {
  /** Share of the true faces that were reported, from `grace` after each came into view. */
  readonly recall: number;
  /** The same from the first frame on. */
  readonly recallFromFirst: number;
  /** Share of the reported faces that are true ones, in all frames. */
  readonly precision: number;
  /** How often a person's id changed, and an id its person. */
  readonly idSwitches: number;
  /** Faces reported in a frame, after the grace period, and faces there. */
  readonly facesPerFrame: number;
  readonly trueFacesPerFrame: number;
}

/** Overlap (intersection over union) from which a reported box is the true face. */
const SAME = 0.4;

/**
 * Scores a finder against the ground truth. Boxes pair off one to one in each frame, so that the sum of overlaps is
 * the largest; a pair that overlaps less than 0.4 is none.
 *
 * @param grace frames that a finder has for a face that came into view, before a miss counts.
 */
export function scoreAccuracy(
  truth: readonly (readonly TrueFace[])[],
  reported: readonly (readonly ReportedFace[])[],
  grace: number,
): Accuracy {
  const firstFrame = new Map<string, number>();
  const idOf = new Map<string, string>();
  const personOf = new Map<string, string>();
  let [due, dueFound, there, found, claims, idSwitches] = [0, 0, 0, 0, 0, 0];
  let [lateFrames, lateReported, lateThere] = [0, 0, 0];
  for (const [index, faces] of truth.entries()) {
    const claimed = reported[index] ?? [];
    claims += claimed.length;
    if (index >= grace) {
      lateFrames++;
      lateReported += claimed.length;
      lateThere += faces.length;
    }
    const pairing = assign(
      faces.map((face) =>
        claimed.map((claim) => {
          const overlap = intersectionOverUnion(face.box, claim.box);
          return overlap < SAME ? FORBIDDEN : 1 - overlap;
        }),
      ),
    );
    for (const [row, face] of faces.entries()) {
      if (!firstFrame.has(face.person)) firstFrame.set(face.person, index);
      const counts = index - (firstFrame.get(face.person) ?? index) >= grace;
      there++;
      if (counts) due++;
      const claim = claimed[pairing[row] ?? -1];
      if (claim === undefined) continue;
      found++;
      if (counts) dueFound++;
      if (claim.id === null) continue;
      const [oldId, oldPerson] = [idOf.get(face.person), personOf.get(claim.id)];
      if (
        (oldId !== undefined && oldId !== claim.id) ||
        (oldPerson !== undefined && oldPerson !== face.person)
      )
        idSwitches++;
      idOf.set(face.person, claim.id);
      personOf.set(claim.id, face.person);
    }
  }
  return {
    recall: ratio(dueFound, due),
    recallFromFirst: ratio(found, there),
    precision: ratio(found, claims),
    idSwitches,
    facesPerFrame: ratio(lateReported, lateFrames),
    trueFacesPerFrame: ratio(lateThere, lateFrames),
  };
}

function ratio(part: number, whole: number): number {
  return whole === 0 ? 1 : part / whole;
}
