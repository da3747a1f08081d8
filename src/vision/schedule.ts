import type { Box } from "../base/box.js";
import { type Bucket, createBucket } from "./bucket.js";
import type { Look } from "./look.js";
import { createMotionMap, type Thumbnail } from "./motion.js";
import { createPosts, isBetween, type Post, ROTA } from "./posts.js";
import { type ScanSettings, type ScanUnit, scanUnitOf } from "./scan-unit.js";

export interface ScheduleSettings extends ScanSettings {
  /** Smallest face, in pixels. */
  readonly minFace: number;
  /** How long a new face may stay unseen, in milliseconds. */
  readonly maxUnseen: number;
  /** Share of one core that looking for new faces may take, 0 to 1. */
  readonly budget: number;
}

/** Decides where in the frame to look for new faces, and when. Pure but for its state. */
export interface ScanSchedule {
  /** Whether the first sweeps are through: every size was looked for everywhere, at every tilt, at least once. */
  readonly swept: boolean;
  /**
   * @param thumbnail of the frame.
   * @param known faces that are followed, in fractions of the frame: they are looked for elsewhere.
   * @param at when the frame was taken, in milliseconds on the frames' steady clock.
   * @returns what to scan in this frame.
   */
  plan(thumbnail: Thumbnail, known: ReadonlyMap<string, Box>, at: number): ScanUnit[];
  /**
   * Tells what the scans of a frame took, so that the budget is kept on this device.
   *
   * @param milliseconds of CPU time: what others take of a busy machine is no reason to look less.
   */
  spent(windows: number, milliseconds: number): void;
}

/** A post whose turn has come, and the part of it to look at. */
interface Waiting {
  readonly post: Post;
  readonly part: Box;
  readonly sweep: boolean;
  /** How late it is, in turns. */
  readonly urgency: number;
}

/** Of `maxUnseen`; the rest is for the looks that confirm a face. */
const SHARE_OF_UNSEEN = 0.8;
/** How much faster upright heads are looked for than just in time: a queue that forms goes away again. */
const SLACK = 1.3;
/** How much longer a tilted head may stay unseen than an upright one. */
const TILTED_PATIENCE = 5;
/** Where nothing changed, the next check for tilted heads is this much later, in turns. */
const RECHECK = 0.25;
/** Where nothing changed, a sweep all the same, this many times as seldom: what the first look missed. */
const STATIC_PATIENCE = 12;
const TILTED_STATIC_PATIENCE = 24;
/** Of their cascades, how many have had their turn at small and at tilted heads before sweeps become seldom. */
const FIRST_SWEEPS = 1;
/** How many have had their turn at larger upright faces where the budget does not pay for all: tilted heads wait. */
const POOR_SWEEPS = 4;
/** Who looks where something moves. */
const MOVING_ROTA = ["second", "main"] as const;
/** How much faster the first sweeps are: who sits there at the start is to be seen within a second. */
const HURRY = 5;
/** Of the time in which a sweep falls due: one of all cascades, in a hurry. */
const FIRST_TURN = 0.25;
/**
 * The share of its pace that the search keeps however slow the device is or however small the budget: every turn comes
 * within this many times its time. Without it a face might never be found, and a budget is no reason for that.
 */
const LEAST_SHARE = 1 / 8;
/** Share of the measured cost of a window in its running mean. */
const COST_GAIN = 0.1;
/** Of a window before anything was measured, in milliseconds: a slow device's, so that a start is no burst. */
const FIRST_COST = 0.0005;

export function createSchedule(settings: ScheduleSettings): ScanSchedule {
  const { width, height } = settings;
  const motion = createMotionMap();
  const posts = createPosts(width, height, settings.minFace);
  const interval = settings.maxUnseen * SHARE_OF_UNSEEN;
  // Sweeps and tilted heads can wait; upright heads where something moves must never wait for those.
  const prompt = createBucket(
    sumOf(posts, (post) => (post.angle === 0 ? (SLACK * costOf(post)) / interval : 0)),
  );
  const patient = createBucket(
    sumOf(posts, (post) => {
      const tilted = post.angle === 0 ? 0 : costOf(post) / (interval * TILTED_PATIENCE);
      return tilted + costOf(post) / (interval * sweepPatience(post));
    }),
  );
  let costPerWindow = FIRST_COST;
  let previousAt: number | undefined;
  /** Whether the budget pays for all that is looked at in a hurry. */
  let isRich = true;

  function plan(thumbnail: Thumbnail, known: ReadonlyMap<string, Box>, at: number): ScanUnit[] {
    motion.update(thumbnail, known, at);
    if (previousAt === undefined) {
      previousAt = at;
      // All of the first frame is looked at: a photo may be all there is, and a start is to be quick.
      return firstUnits(at);
    }
    const elapsed = Math.max(0, at - previousAt);
    previousAt = at;
    const hurried = costPerWindow * (prompt.rate + HURRY * patient.rate);
    isRich = hurried <= settings.budget;
    const hurry = posts.some(isNew) ? HURRY : 1;
    const demand = hurry === 1 ? costPerWindow * (prompt.rate + patient.rate) : hurried;
    const share = Math.min(1, Math.max(LEAST_SHARE, settings.budget / demand));
    // After a pause no more than one turn of all is made up for.
    const due = Math.min(elapsed * share, interval);
    prompt.earn(due);
    const units = prompt.hasCredit() ? take(changedPosts(at), prompt, at) : [];
    patient.earn(due * hurry);
    return patient.hasCredit() ? [...units, ...take(patientPosts(at), patient, at)] : units;
  }

  /** All upright heads, each size in one piece: tiles would overlap. */
  function firstUnits(at: number): ScanUnit[] {
    const upright = posts.filter((post) => post.angle === 0);
    for (const post of upright) {
      post.scannedAt = at;
      post.sweptAt = at;
      post.sweeps++;
    }
    stagger(at);
    const core = { x: 0, y: 0, width, height };
    const bands = upright.filter((post, index) => post.minSize !== upright[index - 1]?.minSize);
    return bands.map((post) => unitOf(post, core, "main")).filter(({ windows }) => windows > 0);
  }

  /** Takes the most overdue, as many as the bucket pays for. */
  function take(waiting: readonly Waiting[], bucket: Bucket | null, at: number): ScanUnit[] {
    const units: ScanUnit[] = [];
    for (const { post, part, sweep } of [...waiting].sort((a, b) => b.urgency - a.urgency)) {
      if (bucket !== null && !bucket.hasCredit()) break;
      const between = sweep && isBetween(post);
      const unit = unitOf(post, part, turnOfCascade(post, sweep), between);
      post.scannedAt = at;
      post.dueAt = at + turnOf(post);
      if (sweep) post.sweptAt = at;
      // Smaller than the smallest face: nothing can be in it.
      if (unit.windows === 0) continue;
      bucket?.spend(unit.windows);
      units.push(unit);
    }
    return units;
  }

  /** Spreads the turns that would all come at once, a turn after the first frame. */
  function stagger(at: number): void {
    const upright = posts.filter((post) => post.angle === 0);
    const whole = sumOf(upright, costOf);
    let before = 0;
    for (const post of upright) {
      before += costOf(post);
      post.dueAt = at + (interval * before) / whole;
    }
  }

  function isNew(post: Post): boolean {
    if (post.rota !== ROTA.large) return post.sweeps < FIRST_SWEEPS;
    return post.sweeps < (isRich ? post.rota.length : POOR_SWEEPS);
  }

  function turnOfCascade(post: Post, sweep: boolean): Look["by"] {
    const moving = post.angle === 0 ? MOVING_ROTA : ROTA.tilted;
    const [rota, turn] = sweep ? [post.rota, post.sweeps++] : [moving, post.turns++];
    return rota[turn % rota.length] ?? "main";
  }

  function turnOf(post: Post): number {
    return post.angle === 0 ? interval : interval * TILTED_PATIENCE;
  }

  /** Where something changed and an upright head may have come into view. */
  function changedPosts(at: number): Waiting[] {
    return posts.flatMap((post) => (post.angle === 0 ? changeIn(post, at) : []));
  }

  /** What can wait, and where the time has come all the same. */
  function patientPosts(at: number): Waiting[] {
    return posts.flatMap((post) => {
      const sweepTurn = interval * (isNew(post) ? FIRST_TURN : sweepPatience(post));
      if (at - post.sweptAt >= sweepTurn) {
        const late = (at - post.sweptAt) / sweepTurn;
        // Never looked at: after what is overdue.
        return [sweepOf(post, Number.isFinite(late) ? late : 1)];
      }
      return post.angle === 0 ? [] : changeIn(post, at);
    });
  }

  function changeIn(post: Post, at: number): Waiting[] {
    if (at < post.dueAt) return [];
    const core = fractions(post.core, width, height);
    const changed = motion.changedSince(post.scannedAt, core, post.minSize / height);
    if (changed === null) {
      // An upright head may come at any moment.
      if (post.angle !== 0) post.dueAt = at + RECHECK * turnOf(post);
      return [];
    }
    // Of a face that fills half the frame, what changed may be taken for the room: large faces cost little to look for.
    const part = post.minSize > height / 3 ? post.core : pixels(changed, post.core, width, height);
    return [{ post, part, sweep: false, urgency: (at - post.scannedAt) / turnOf(post) }];
  }

  function sweepOf(post: Post, urgency: number): Waiting {
    return { post, part: post.core, sweep: true, urgency };
  }

  function costOf(post: Post): number {
    return unitOf(post, post.core, "main").windows;
  }

  function unitOf(post: Post, part: Box, by: Look["by"], between = false): ScanUnit {
    return scanUnitOf(settings, post, part, by, between);
  }

  return {
    get swept() {
      return previousAt !== undefined && !posts.some(isNew);
    },
    plan,
    spent(windows, milliseconds) {
      if (windows > 0) costPerWindow += COST_GAIN * (milliseconds / windows - costPerWindow);
    },
  };
}

function sweepPatience(post: Post): number {
  return post.angle === 0 ? STATIC_PATIENCE : TILTED_STATIC_PATIENCE;
}

function sumOf<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((sum, item) => sum + value(item), 0);
}

function fractions(box: Box, width: number, height: number): Box {
  return { x: box.x / width, y: box.y / height, width: box.width / width, height: box.height / height };
}

/** Fractions of the frame to pixels, inside a post's own tile: cells may reach over its edge. */
function pixels(part: Box, core: Box, width: number, height: number): Box {
  const left = Math.max(core.x, part.x * width);
  const top = Math.max(core.y, part.y * height);
  const right = Math.min(core.x + core.width, (part.x + part.width) * width);
  const bottom = Math.min(core.y + core.height, (part.y + part.height) * height);
  return { x: left, y: top, width: right - left, height: bottom - top };
}
