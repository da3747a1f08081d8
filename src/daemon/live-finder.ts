import type { FaceFinder } from "../vision/finder.js";

/** The face finder in use, which a reload replaces between two frames. */
export interface LiveFinder extends FaceFinder {
  /** Puts a finder to work: the first before the first frame. */
  use(next: FaceFinder): void;
}

export function createLiveFinder(): LiveFinder {
  let finder: FaceFinder | undefined;
  function current(): FaceFinder {
    if (finder === undefined) throw new Error("no face finder is at work yet");
    return finder;
  }
  return {
    use(next) {
      finder = next;
    },
    find: (...about) => current().find(...about),
    remember: (...about) => current().remember(...about),
    get swept() {
      return current().swept;
    },
    restart: () => finder?.restart(),
  };
}
