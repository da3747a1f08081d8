import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { clamp } from "../base/box.js";

/** How often the monitor gets a picture, so that the pipeline does not feel it. */

/** As live as a monitor need be; and less than four a second looks broken, whatever it costs. */
const MOST_A_SECOND = 30;
const LEAST_A_SECOND = 4;
/** Frames come a little early and late; without this every other one of a 30 Hz camera's would miss its turn. */
const JITTER = 4;
/**
 * The child's, the kernel's and the cold caches' processor time, as a multiple of the time that drawing takes:
 * measured with ximagesink at 1280×720, 11 ms of processor time for 3.1 ms of drawing.
 */
const WHOLE_COST = 3.5;
/** Part of all processors that pictures may take where nothing is idle. */
const SATURATED_SHARE = 0.06;
/** Idle time beyond this part is spent on pictures, half of it, so that spending it does not swing back at once. */
const RESERVED_IDLE = 0.45;
const IDLE_SPENT = 0.5;

/**
 * Milliseconds from the start of one picture to the next: smooth where processors idle, sparing where the pipeline
 * could use them.
 */
export function pictureInterval(drawingMs: number, idle: number, processors: number): number {
  const share = SATURATED_SHARE + IDLE_SPENT * Math.max(0, idle - RESERVED_IDLE);
  const affordable = (WHOLE_COST * drawingMs) / (share * processors);
  return clamp(affordable, 1000 / MOST_A_SECOND - JITTER, 1000 / LEAST_A_SECOND);
}

export interface Budget {
  /** Notes what a picture took, and says how long after its start the next may start. */
  spend(drawingMs: number): number;
}

export interface BudgetOptions {
  readonly readStat?: () => string;
  readonly now?: () => number;
  readonly processors?: number;
}

/** A budget that follows how idle the machine is, looking once a second. */
export function createBudget(options: BudgetOptions = {}): Budget {
  const readStat = options.readStat ?? (() => readFileSync("/proc/stat", "latin1"));
  const now = options.now ?? (() => performance.now());
  const processors = options.processors ?? availableParallelism();
  let usual = Number.POSITIVE_INFINITY;
  let idle = 0;
  let last: ProcessorTimes | undefined;
  let lookAt = 0;

  const look = () => {
    if (now() < lookAt) return;
    lookAt = now() + 1000;
    let times: ProcessorTimes | undefined;
    try {
      times = parseStat(readStat());
    } catch {
      // Where /proc is hidden, the machine counts as busy.
    }
    if (times !== undefined && last !== undefined && times.total > last.total) {
      idle = (times.idle - last.idle) / (times.total - last.total);
    }
    last = times;
  };

  return {
    spend: (drawingMs) => {
      look();
      // The clock also counts time in which others ran: the quickest of the last pictures tells best what one takes.
      usual = Math.min(drawingMs, usual * 1.05);
      return pictureInterval(usual, idle, processors);
    },
  };
}

interface ProcessorTimes {
  readonly idle: number;
  readonly total: number;
}

/** The times of all processors together, in ticks; what waits for a disk is idle too. */
export function parseStat(text: string): ProcessorTimes | undefined {
  const fields = /^cpu +(.*)$/m.exec(text)?.[1]?.trim().split(/\s+/).map(Number);
  if (fields === undefined || fields.length < 5 || fields.some(Number.isNaN)) return undefined;
  // The first eight: what comes after is counted in them already.
  const total = fields.slice(0, 8).reduce((sum, ticks) => sum + ticks, 0);
  return { idle: (fields[3] ?? 0) + (fields[4] ?? 0), total };
}
