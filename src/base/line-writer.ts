import { writeSync } from "node:fs";

/** A reader that is behind gets this long for a line, in milliseconds: it must not hold up the daemon. */
const PATIENCE = 100;
const PAUSE = 5;

/** Writes lines to an open file; see `lineWriter`. */
export interface LineWriter {
  write(line: string): void;
}

const neverWoken = new Int32Array(new SharedArrayBuffer(4));

/**
 * Writes lines to an open file at once. A line that cannot be written, on a full disk or to a reader that has gone, is
 * lost; the next that can be comes after one that says how many were.
 */
export function lineWriter(file: number, write: typeof writeSync = writeSync): LineWriter {
  let lost = 0;
  let reason = "";
  /** A part of a line is out: the next begins on a line of its own. */
  let torn = false;

  function put(line: string): boolean {
    const bytes = Buffer.from(torn ? `\n${line}` : line);
    const giveUpAt = performance.now() + PATIENCE;
    for (let at = 0; at < bytes.length; ) {
      try {
        at += write(file, bytes, at);
      } catch (error) {
        const { code = "error" } = error as NodeJS.ErrnoException;
        if (code === "EINTR") continue;
        if (code === "EAGAIN" && performance.now() < giveUpAt) {
          Atomics.wait(neverWoken, 0, 0, PAUSE);
          continue;
        }
        if (at > 0) torn = true;
        reason = code;
        return false;
      }
    }
    torn = false;
    return true;
  }

  return {
    write(line) {
      if (lost > 0) {
        const time = new Date().toISOString();
        const told = { level: "warn", time, lines: lost, reason, msg: "lines of the log were lost" };
        if (put(`${JSON.stringify(told)}\n`)) lost = 0;
      }
      if (lost > 0 || !put(line)) lost += 1;
    },
  };
}
