import { type Box, clipToFrame } from "./box.js";
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
  /** Width in pixels to which the smallest face is brought before it is looked for. */
  readonly face: number;
  readonly scaleFactor: number;
  /** What it costs: the windows that a cascade tries, about. */
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
  /**
   * @param thumbnail of the frame.
   * @param known faces that are followed, in fractions of the frame: they are looked for elsewhere.
   * @param at when the frame was taken, in milliseconds on the frames' steady clock.
   * @returns what to scan in this frame.
   */
  plan(thumbnail: Thumbnail, known: ReadonlyMap<string, Box>, at: number): ScanUnit[];
  /** Tells what the scans of a frame took, so that the budget is kept on this device. */
  spent(windows: number, milliseconds: number): void;
}

/** A place in the rota: one tile of one band of sizes at one tilt. */
interface Post {
  /** Where the middles of the faces looked for lie, in pixels of the frame. */
  readonly core: Box;
  readonly minSize: number;
  readonly maxSize: number;
  readonly angle: number;
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
 * Width in pixels to which a scan brings the smallest face that it looks for, where something moves and the next
 * chance is near, and in a sweep. Of weak faces (beard, glasses, blur) the first finds 29 where the second finds 39,
 * at twice the cost.
 */
const QUICK_FACE = 24;
const SWEEP_FACE = 36;
const SWEEP_SCALE_FACTOR = 1.15;
/** Tilts of the heads looked for, in degrees; the cascades themselves forgive some fifteen either way. */
const ANGLES = [0, -40, 40] as const;
/** A tile's side, in largest faces of its band: small enough to spread over frames, large enough to share margins. */
const TILE = 3;
/** Of `maxUnseen`; the rest is for the looks that confirm a face. */
const SHARE_OF_UNSEEN = 0.8;
/** How much faster upright heads are looked for than just in time: a queue that forms goes away again. */
const SLACK = 1.3;
/** How much longer a tilted head may stay unseen than an upright one, and how much larger it must be. */
const TILTED_PATIENCE = 8;
const TILTED_SIZE = 2;
/** Where nothing changed, a sweep all the same, this many times as seldom: what the first look missed. */
const STATIC_PATIENCE = 12;
const TILTED_STATIC_PATIENCE = 24;
/** How much faster the first look at tilted heads is: who sits there at the start is to be seen within a second or so. */
const HURRY = 8;
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
    sumOf(posts, (post) => (post.angle === 0 ? (SLACK * costOf(post, false)) / interval : 0)),
  );
  const patient = createBucket(
    sumOf(posts, (post) => {
      const tilted = post.angle === 0 ? 0 : costOf(post, false) / (interval * TILTED_PATIENCE);
      return tilted + costOf(post, true) / (interval * sweepPatience(post));
    }),
  );
  let costPerWindow = FIRST_COST;
  let previousAt: number | undefined;

  function plan(thumbnail: Thumbnail, known: ReadonlyMap<string, Box>, at: number): ScanUnit[] {
    motion.update(thumbnail, known, at);
    if (previousAt === undefined) {
      previousAt = at;
      // All of the first frame is looked at: a photo may be all there is, and a start is to be quick.
      const first = posts.filter((post) => post.angle === 0).map((post) => sweepOf(post, 1));
      const units = take(first, null, at);
      stagger(at);
      return units;
    }
    const elapsed = Math.min(Math.max(0, at - previousAt), interval);
    previousAt = at;
    const hurry = posts.some(isNew) ? HURRY : 1;
    const share = Math.min(1, settings.budget / (costPerWindow * (prompt.rate + hurry * patient.rate)));
    prompt.earn(elapsed * share);
    const units = take(changedPosts(at), prompt, at);
    patient.earn(elapsed * share * hurry);
    return [...units, ...take(patientPosts(at), patient, at)];
  }

  /** Takes the most overdue, as many as the bucket pays for. */
  function take(waiting: readonly Waiting[], bucket: Bucket | null, at: number): ScanUnit[] {
    const units: ScanUnit[] = [];
    for (const { post, part, sweep } of [...waiting].sort((a, b) => b.urgency - a.urgency)) {
      if (bucket !== null && !bucket.hasCredit()) break;
      const unit = unitOf(post, part, sweep);
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
    const whole = sumOf(upright, (post) => costOf(post, false));
    let before = 0;
    for (const post of upright) {
      before += costOf(post, false);
      post.dueAt = at + (interval * before) / whole;
    }
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
      const sweepTurn = interval * sweepPatience(post);
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
    if (changed === null) return [];
    // Of a face that fills half the frame, what changed may be taken for the room: large faces cost little to look for.
    const part = post.minSize > height / 3 ? post.core : pixels(changed, post.core, width, height);
    return [{ post, part, sweep: false, urgency: (at - post.scannedAt) / turnOf(post) }];
  }

  function sweepOf(post: Post, urgency: number): Waiting {
    return { post, part: post.core, sweep: true, urgency };
  }

  function costOf(post: Post, sweep: boolean): number {
    return unitOf(post, post.core, sweep).windows;
  }

  function unitOf(post: Post, part: Box, sweep: boolean): ScanUnit {
    const [cos, sin] = turned(post.angle);
    // A face whose middle is in the part, and the whole of it.
    const across = part.width * cos + part.height * sin + post.maxSize;
    const down = part.width * sin + part.height * cos + post.maxSize;
    const around = {
      x: part.x + (part.width - across) / 2,
      y: part.y + (part.height - down) / 2,
      width: across,
      height: down,
    };
    const region = post.angle === 0 ? clipToFrame(around, width, height) : around;
    const { minSize, maxSize, angle } = post;
    const unit = {
      region,
      minSize,
      maxSize,
      angle,
      face: sweep ? SWEEP_FACE : QUICK_FACE,
      scaleFactor: sweep ? Math.min(SWEEP_SCALE_FACTOR, settings.scaleFactor) : settings.scaleFactor,
    };
    return { ...unit, windows: windowsIn(unit) };
  }

  return {
    plan,
    spent(windows, milliseconds) {
      if (windows > 0) costPerWindow += COST_GAIN * (milliseconds / windows - costPerWindow);
    },
  };
}

function turned(angle: number): [cos: number, sin: number] {
  const radians = (angle * Math.PI) / 180;
  return [Math.abs(Math.cos(radians)), Math.abs(Math.sin(radians))];
}

function isNew(post: Post): boolean {
  return post.sweptAt === Number.NEGATIVE_INFINITY;
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

/** Bands of sizes, an octave each; the larger the faces, the fewer and larger the tiles. */
function createPosts({ width, height, minFace }: ScheduleSettings): Post[] {
  const largest = Math.min(width, height);
  const never = Number.NEGATIVE_INFINITY;
  const posts: Post[] = [];
  for (const angle of ANGLES) {
    const smallest = Math.max(WINDOW, minFace) * (angle === 0 ? 1 : TILTED_SIZE);
    for (let minSize = smallest; minSize <= largest; minSize *= 2) {
      const maxSize = Math.min(2 * minSize, largest);
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
          posts.push({ core, minSize, maxSize, angle, scannedAt: never, sweptAt: never, dueAt: never });
        }
      }
    }
  }
  return posts;
}

/** How many windows a cascade tries in a region: the cost of a scan in a unit that is the same on every device. */
export function windowsIn(unit: Omit<ScanUnit, "windows">): number {
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
