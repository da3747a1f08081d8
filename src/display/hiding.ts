import { type Box, grown, toFractions } from "../base/box.js";
import type { Frame } from "../camera/frame.js";
import type { FaceFinder } from "../vision/finder.js";
import { createSceneCuts } from "../vision/scene-cut.js";
import { searchThoroughly } from "../vision/thorough-search.js";
import { thumbnailOf } from "../vision/thumbnail.js";
import type { Track } from "../vision/tracker.js";

/** What of a frame may be seen by anybody, or why nothing of it. Boxes in fractions of the frame. */
export type Visibility =
  | { readonly hidden: readonly Box[]; readonly notice: null }
  | { readonly hidden: readonly Box[]; readonly notice: string };

/**
 * The one place that says what of a picture is hidden where the owner wants no face to be seen (`privacy.blurFaces`).
 * Every picture that is shown or sent is drawn from a scene, and its `hidden` comes from here.
 */
export interface Hiding {
  /**
   * Takes in a frame that has been through the finder, each of them and in order.
   *
   * @returns what to hide in a picture of it that is one of many (a monitor, a stream), and a notice to show instead
   *   while the finder has not been over all of the picture.
   */
  follow(frame: Frame, tracks: readonly Track[]): Visibility;
  /**
   * What to hide in a picture that is sent on its own: nobody can say afterwards that it was one bad frame, so it is
   * searched by itself. It takes seconds; the frame has to live until then.
   *
   * @param followed what `follow` said of the frame.
   * @throws SearchError when the signal aborts first: then the picture is not to be sent.
   */
  search(frame: Frame, followed: readonly Box[], signal: AbortSignal): Promise<readonly Box[]>;
}

export interface HidingOptions {
  /** `privacy.blurFaces` of now. */
  readonly wanted: () => boolean;
  /** The finder of now. */
  readonly finder: () => Pick<FaceFinder, "swept" | "restart">;
}

/** While the picture is looked over. */
export const LOOKING_NOTICE = "one moment: the picture is shown once it has been searched for faces to blur";

/** A face that was lost stays hidden for so long, in milliseconds: it is usually still there. */
const LINGERS = 1000;
/** How much a box grows on each side in a second unseen, in its widths: nobody knows where the face has gone. */
const GROWTH = 0.5;

interface Seen {
  readonly box: Box;
  readonly at: number;
}

export function createHiding({ wanted, finder }: HidingOptions): Hiding {
  /** Where each face was last seen. */
  const lastSeen = new Map<string, Seen>();
  const cuts = createSceneCuts();

  function follow(frame: Frame, tracks: readonly Track[]): Visibility {
    if (!wanted()) {
      forget();
      return { hidden: [], notice: null };
    }
    if (cuts.update(thumbnailOf(frame.grey), frame.steadyAt)) finder().restart();
    const hidden = facesOf(frame, tracks);
    return { hidden, notice: finder().swept ? null : LOOKING_NOTICE };
  }

  function forget(): void {
    lastSeen.clear();
    cuts.forget();
  }

  /** What is followed, where it is and, unseen, where it was; and what was followed up to a second ago. */
  function facesOf(frame: Frame, tracks: readonly Track[]): Box[] {
    const at = frame.steadyAt;
    const predicted: Box[] = [];
    for (const { id, seen, box } of tracks) {
      const part = toFractions(box, frame.width, frame.height);
      if (seen || !lastSeen.has(id)) lastSeen.set(id, { box: part, at });
      else predicted.push(part);
    }
    const boxes: Box[] = [];
    for (const [id, { box, at: then }] of lastSeen) {
      // A file's time may go back to its start.
      const age = Math.abs(at - then);
      if (age > LINGERS && !tracks.some((track) => track.id === id)) lastSeen.delete(id);
      else boxes.push(grown(box, (GROWTH * Math.min(age, LINGERS)) / 1000));
    }
    return [...boxes, ...predicted];
  }

  return {
    follow,
    async search(frame, followed, signal) {
      if (!wanted()) return followed;
      const found = await searchThoroughly(frame.grey, signal);
      return [...followed, ...found.map((box) => toFractions(box, frame.width, frame.height))];
    },
  };
}
