// What the processes that this one has started use up, from /proc: the one that reads a video, the player of a screen.
import { readdirSync, readFileSync } from "node:fs";

/** Clock ticks a second in /proc/PID/stat: Linux has it fixed at 100 for programs. */
const TICKS = 100;
/** The process that opens and reads a video: see src/camera/video/capture-process.ts. */
const READER = /\/capture-program\.[jt]s$/;

/**
 * CPU time and memory of this process' children, those that have ended meanwhile included.
 *
 * @returns `sample` looks at the children that live now: to be called now and then, and when their figures are wanted;
 *   `cpuMs` of all children so far, `readerMs` of those that read the video, both to 10 ms; `peakRssMiB`, the sum of the
 *   peaks of all that lived at one time.
 */
export function watchChildren() {
  /** Of each child that was seen: whether it reads the video, its CPU time in milliseconds, and its peak. */
  const seen = new Map();
  let peakRssMiB = 0;

  function sample() {
    let peaks = 0;
    for (const pid of childrenOf(process.pid)) {
      const child = readProcess(pid);
      if (child === null) continue;
      seen.set(pid, child);
      peaks += child.peakRssMiB;
    }
    peakRssMiB = Math.max(peakRssMiB, peaks);
  }

  return {
    sample,
    cpuMs: () => reapedMs() + livingMs(),
    /** What ended is known as a whole only: of it, all that was not seen to be something else's. */
    readerMs: () => {
      const others = [...seen.values()].filter(({ isReader }) => !isReader);
      return reapedMs() + livingMs() - others.reduce((sum, { cpuMs }) => sum + cpuMs, 0);
    },
    peakRssMiB: () => peakRssMiB,
  };
}

/** CPU milliseconds of the children that have ended. */
function reapedMs() {
  const fields = statOf(process.pid);
  return ((Number(fields[13]) + Number(fields[14])) * 1000) / TICKS;
}

function livingMs() {
  return childrenOf(process.pid).reduce((sum, pid) => sum + (readProcess(pid)?.cpuMs ?? 0), 0);
}

function childrenOf(pid) {
  return readdirSync(`/proc/${pid}/task`).flatMap((task) => {
    try {
      return readFileSync(`/proc/${pid}/task/${task}/children`, "utf8")
        .split(" ")
        .filter(Boolean)
        .map(Number);
    } catch {
      // The thread has ended.
      return [];
    }
  });
}

/** Null when it has ended. */
function readProcess(pid) {
  try {
    const fields = statOf(pid);
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    // Its own and that of its children that ended.
    const ticks = [11, 12, 13, 14].reduce((sum, field) => sum + Number(fields[field]), 0);
    return {
      isReader: words.some((word) => READER.test(word)),
      cpuMs: (ticks * 1000) / TICKS,
      peakRssMiB: Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024,
    };
  } catch {
    return null;
  }
}

/** The fields after the name in brackets, which may have spaces in it: utime, stime, cutime and cstime are 11 to 14. */
function statOf(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}
