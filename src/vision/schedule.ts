import { type Box, clipToFrame } from "../base/box.js";
import type { Look } from "./look.js";
import { createMotionMap, type Thumbnail } from "./motion.js";

/** A look at a part of the frame for faces of some sizes at one tilt. */
export interface ScanUnit {
  /** In pixels of the frame: as it is after turning by `angle` about its middle. */
  readonly region: Box;
  /** Smallest and largest face, in pixels of the frame. */
  readonly minSize: number;
  readonly maxSize: number;
  /** How far the heads looked for are tilted, in degrees, clockwise in the picture. */
  readonly angle: number;
  /** Which cascade looks: what one misses (a beard, glasses) another may see, and so they take turns. */
  readonly by: Look["by"];
  /** Width in pixels to which the smallest face is brought before it is looked for. */
  readonly face: number;
  readonly scaleFactor: number;
  /** What it costs: the windows that a frontal cascade tries in the same time, about. */
  readonly windows: number;
}

export interface ScheduleSettings {
  /** Of the frame, in pixels. */
  readonly width: number;
  readonly height: number;
  /** Smallest face, in pixels. */
  readonly minFace: number;
  /** Step between the sizes that a scan tries. */
  readonly scaleFactor: number;
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

/** A place in the rota: one tile of one band of sizes at one tilt. */
interface Post {
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

/** A post whose turn has come, and the part of it to look at. */
interface Waiting {
  readonly post: Post;
  readonly part: Box;
  readonly sweep: boolean;
  /** How late it is, in turns. */
  readonly urgency: number;
}

/** The window that OpenCV's frontal cascades were trained on, in pixels. */
const WINDOW = 24;
/**
 * Width in pixels to which a scan brings the smallest face that it looks for. At 24 it loses a third of the weak ones
 * (beard, glasses, blur); at 36 it finds hardly more, at twice the cost, for most windows are then one pixel apart.
 * Tilted and turned heads have several looks, and each may be a quick one.
 */
const FACE = 30;
const QUICK_FACE = 24;
/** Every second sweep by a cascade tries the sizes in between: of a scene that stands still it would tell the same. */
const FACE_BETWEEN = 27.4;
/** The profile cascade's window is smaller: at its own size it is as quick. */
const PROFILE_FACE = 18.8;
/** Least step between the sizes of profiles: it keeps all their windows two pixels apart. */
const PROFILE_STEP = 1.25;
/** Tilts of the heads looked for, in degrees: the cascades themselves forgive some twelve either way. */
const ANGLES = [0, -25, 25, -50, 50] as const;
/** A tile's side, in largest faces of its band: small enough to spread over frames, large enough to share margins. */
const TILE = 3;
/** Of `maxUnseen`; the rest is for the looks that confirm a face. */
const SHARE_OF_UNSEEN = 0.8;
/** How much faster upright heads are looked for than just in time: a queue that forms goes away again. */
const SLACK = 1.3;
/** How much longer a tilted head may stay unseen than an upright one. */
const TILTED_PATIENCE = 5;
/** From this many times the smallest size on a face counts as large: it is looked for tilted and half turned, too. */
const LARGE = 1.5;
/** Where nothing changed, the next check for tilted heads is this much later, in turns. */
const RECHECK = 0.25;
/** Where nothing changed, a sweep all the same, this many times as seldom: what the first look missed. */
const STATIC_PATIENCE = 12;
const TILTED_STATIC_PATIENCE = 24;
/**
 * Who sweeps what: the smallest upright faces cost most and are worth least, larger ones and tilted heads are given
 * more looks, and heads half turned those of the profile cascade.
 */
const ROTA = {
  small: ["main", "second"],
  large: ["main", "second", "left", "main", "second", "right", "main", "second"],
  tilted: ["main", "second"],
} as const;
/** Of their cascades, how many have had their turn at small and at tilted heads before sweeps become seldom. */
const FIRST_SWEEPS = 1;
/** How many have had their turn at larger upright faces where the budget does not pay for all: tilted heads wait. */
const POOR_SWEEPS = 4;
/** Who looks where something moves. */
const MOVING_ROTA = ["second", "main"] as const;
/** What a window costs the profile cascade, in windows of a frontal one. */
const PROFILE_COST = 2.5;
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
  const posts = createPosts(settings);
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
    const { minSize, maxSize, angle } = post;
    const region = angle === 0 ? around(part, maxSize) : aroundTilted(part, post);
    const isProfile = by === "left" || by === "right";
    // OpenCV's sizes are powers of the step: with a larger one a band may lie between two of them.
    const step = Math.min(LARGE, settings.scaleFactor);
    const scaleFactor = isProfile ? Math.max(PROFILE_STEP, step) : step;
    const upright = between ? FACE_BETWEEN : FACE;
    const face = isProfile ? PROFILE_FACE : angle === 0 ? upright : QUICK_FACE;
    const unit = { region, minSize, maxSize, angle, by, face, scaleFactor };
    const windows = windowsIn(unit) * (isProfile ? PROFILE_COST : 1);
    return { ...unit, windows };
  }

  /** The whole of a face whose middle is in the part. */
  function around({ x, y, ...part }: Box, size: number): Box {
    const whole = {
      x: x - size / 2,
      y: y - size / 2,
      width: part.width + size,
      height: part.height + size,
    };
    return clipToFrame(whole, width, height);
  }

  /** The same for tilted ones. What a corner of the turned picture takes from outside the frame is for nothing. */
  function aroundTilted(part: Box, { minSize, maxSize, angle }: Post): Box {
    const [cos, sin] = turned(angle);
    // The middle of a face that is all in the frame is half a face inside: that of the smallest at least.
    const left = Math.max(part.x, minSize / 2);
    const top = Math.max(part.y, minSize / 2);
    const wide = Math.max(0, Math.min(part.x + part.width, width - minSize / 2) - left);
    const high = Math.max(0, Math.min(part.y + part.height, height - minSize / 2) - top);
    const across = wide * cos + high * sin + maxSize;
    const down = wide * sin + high * cos + maxSize;
    // Nor is there more room for a large face than the frame, turned, has for its middle.
    const room = (size: number, a: number, b: number) =>
      Math.max(0, width - size) * a + Math.max(0, height - size) * b + size;
    const region = {
      width: Math.min(across, Math.max(room(minSize, cos, sin), room(maxSize, cos, sin))),
      height: Math.min(down, Math.max(room(minSize, sin, cos), room(maxSize, sin, cos))),
    };
    return {
      x: left + (wide - region.width) / 2,
      y: top + (high - region.height) / 2,
      ...region,
    };
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

/** Whether the next sweep's cascade had the other sizes before: it has two turns in a row of all that look. */
function isBetween(post: Post): boolean {
  const turns = post.rota === ROTA.large ? 3 : post.rota.length;
  return Math.floor(post.sweeps / turns) % 2 === 1;
}

function turned(angle: number): [cos: number, sin: number] {
  const radians = (angle * Math.PI) / 180;
  return [Math.abs(Math.cos(radians)), Math.abs(Math.sin(radians))];
}

function sweepPatience(post: Post): number {
  return post.angle === 0 ? STATIC_PATIENCE : TILTED_STATIC_PATIENCE;
}

/** Pays for scans at a steady rate; one scan may overdraw it, and the next wait until that is paid. */
interface Bucket {
  /** Windows a millisecond that keep every turn. */
  readonly rate: number;
  earn(milliseconds: number): void;
  hasCredit(): boolean;
  spend(windows: number): void;
}

function createBucket(rate: number): Bucket {
  let credit = 0;
  return {
    rate,
    earn(milliseconds) {
      // What was not needed is not saved up: it would be spent in a burst.
      credit = Math.min(credit, 0) + rate * milliseconds;
    },
    hasCredit: () => credit > 0,
    spend(windows) {
      credit -= windows;
    },
  };
}

function sumOf<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((sum, item) => sum + value(item), 0);
}

/** Bands of sizes: the small ones, then an octave each; the larger the faces, the fewer and larger the tiles. */
function createPosts({ width, height, minFace }: ScheduleSettings): Post[] {
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

/** How many windows a cascade tries in a region: the cost of a scan in a unit that is the same on every device. */
export function windowsIn(unit: Omit<ScanUnit, "windows" | "by">): number {
  const { region, minSize, maxSize, face, scaleFactor } = unit;
  let windows = 0;
  for (let size = minSize; size <= maxSize; size *= scaleFactor) {
    // OpenCV's own rule for the pixels between windows.
    const step = (size / minSize) * face > 2 * WINDOW ? 1 : 2;
    const columns = Math.floor(((region.width * WINDOW) / size - WINDOW) / step) + 1;
    const rows = Math.floor(((region.height * WINDOW) / size - WINDOW) / step) + 1;
    if (columns > 0 && rows > 0) windows += columns * rows;
  }
  return windows;
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
