import { CameraError } from "./camera.js";

/** Milliseconds for which a live camera's pictures may be bit for bit the same; a sensor's noise changes each. */
const FROZEN_AFTER = 10_000;
/** A picture that is the same after reopening as well may be a test pattern: it is reopened ever less often. */
const LONGEST = 300_000;

/** Notices a live camera whose picture stands still. */
export interface FreezeWatch {
  /** Before the first picture of an attempt. */
  restart(): void;
  /**
   * @param picture compared whole, and copied when it differs
   * @param at milliseconds on a clock that is never set
   * @returns for how many milliseconds it has been frozen, when that is too long; else null
   */
  check(picture: Uint8Array, at: number): number | null;
}

export function createFreezeWatch(): FreezeWatch {
  let last = Buffer.alloc(0);
  let since: number | undefined;
  let patience = FROZEN_AFTER;
  return {
    restart: () => {
      since = undefined;
    },
    check: (picture, at) => {
      if (!last.equals(picture)) {
        // The first picture of an attempt always comes with a new stream, and says little.
        if (since !== undefined) patience = FROZEN_AFTER;
        if (last.length !== picture.length) last = Buffer.alloc(picture.length);
        last.set(picture);
        since = at;
        return null;
      }
      since ??= at;
      const frozenFor = at - since;
      if (frozenFor < patience) return null;
      patience = Math.min(LONGEST, patience * 2);
      return frozenFor;
    },
  };
}

/** @param frozenFor milliseconds */
export function standsStill(description: string, frozenFor: number): CameraError {
  return new CameraError(
    `${description} stands still: its pictures have been bit for bit the same for ${Math.round(frozenFor / 1000)} s, which no sensor's are; it is opened again`,
  );
}
