import type { EmotionEvent } from "../../src/events/schema.js";

/** One life of the daemon. */
export interface Life {
  readonly boot: string;
  /** Events it had made, as its metrics said, at times of the real clock. */
  readonly counted: readonly { readonly at: number; readonly events: number }[];
  /** When it was killed; null if it stopped in good order. */
  readonly killedAt: number | null;
}

/** A time in which the camera showed a face, in every frame and without a gap. */
export interface Episode {
  readonly from: number;
  readonly to: number;
}

export interface Verdict {
  readonly events: number;
  readonly repeated: number;
  readonly replayed: number;
  /** Gaps in `seq`, and what was counted more than `mayCost` before a kill and never came. */
  readonly lost: number;
  /** Events that first came after a later one of their life. */
  readonly outOfOrder: number;
  /** Faces without an `end`, in lives that had the time to send one. */
  readonly withoutEnd: number;
  readonly episodes: number;
  /** Episodes in which the subscriber has no face. */
  readonly unseen: number;
  readonly details: readonly string[];
}

/** Milliseconds before a kill that its events may cost: `diskAfter`, the writing, and the poll of the metrics. */
const MAY_COST = 1000;
/** Milliseconds that an event's time may lie outside its episode: a frame, and `lostAfter`. */
const SLACK = 1500;

/** Frames of the camera's own record → episodes. A gap in the record is a stalled or restarted camera. */
export function episodesOf(record: string, least: number): Episode[] {
  const episodes: Episode[] = [];
  let from: number | null = null;
  let last = 0;
  for (const line of record.trim().split("\n")) {
    const [at = 0, shows = 0] = line.split(" ").map(Number);
    if (from !== null && (shows === 0 || at - last > 700)) {
      if (last - from >= least) episodes.push({ from, to: last });
      from = null;
    }
    if (shows === 1 && from === null) from = at;
    last = at;
  }
  return episodes;
}

export function judge(
  received: readonly EmotionEvent[],
  lives: readonly Life[],
  episodes: readonly Episode[],
  realTime: (event: EmotionEvent) => number,
): Verdict {
  const details: string[] = [];
  const seen = new Map<string, Map<number, EmotionEvent>>();
  let repeated = 0;
  let outOfOrder = 0;
  for (const event of received) {
    const life = seen.get(event.boot) ?? new Map<number, EmotionEvent>();
    seen.set(event.boot, life);
    if (life.has(event.seq)) repeated += 1;
    else {
      const greatest = [...life.keys()].at(-1) ?? 0;
      if (event.seq < greatest) {
        outOfOrder += 1;
        details.push(`out of order: ${event.boot} ${event.seq} after ${greatest}`);
      }
      life.set(event.seq, event);
    }
  }
  let lost = 0;
  let withoutEnd = 0;
  for (const { boot, counted, killedAt } of lives) {
    const life = seen.get(boot) ?? new Map<number, EmotionEvent>();
    const limit = killedAt === null ? Number.POSITIVE_INFINITY : killedAt - MAY_COST;
    const owed = counted.filter((poll) => poll.at <= limit).at(-1)?.events ?? 0;
    const last = Math.max(owed, ...life.keys(), 0);
    for (let seq = 1; seq <= last; seq++) {
      if (life.has(seq)) continue;
      lost += 1;
      details.push(`lost: ${boot} ${seq} of ${last}`);
    }
    const ended = new Set([...life.values()].filter((one) => one.type === "end").map((one) => one.track));
    const open = [...life.values()].filter((one) => one.type === "new" && !ended.has(one.track));
    if (killedAt === null) withoutEnd += open.length;
  }
  const times = [...seen.values()].flatMap((life) => [...life.values()].map(realTime));
  const unseen = episodes.filter(({ from, to }) => !times.some((at) => at >= from && at <= to + SLACK));
  for (const { from } of unseen) details.push(`unseen: the face at ${new Date(from).toISOString()}`);
  return {
    events: [...seen.values()].reduce((sum, life) => sum + life.size, 0),
    repeated,
    replayed: received.filter((event) => event.replayed).length,
    lost,
    outOfOrder,
    withoutEnd,
    episodes: episodes.length,
    unseen: unseen.length,
    details: details.slice(0, 20),
  };
}
