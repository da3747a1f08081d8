import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { draftOf, errorCode, PRIVATE_FOLDER, removeDurably, writeDurably } from "../base/durable-file.js";

/** What was found of a pause of an earlier run. */
export interface RecordedPause {
  readonly paused: boolean;
  /** Why it counts as paused though the record is no sound one; null when it is, or there is none. */
  readonly doubt: string | null;
}

/** Whether the owner has paused the daemon, as it is kept over restarts, crashes and power cuts. */
export interface PauseRecord {
  /** In doubt it is paused: a camera that stays off is the smaller harm. Never rejects. */
  read(): Promise<RecordedPause>;
  /**
   * Keeps it for the next start; on disk for certain when it resolves with null. Otherwise in words what is wrong, and
   * the next start may find what was before. Never rejects; calls take their turn.
   */
  keep(paused: boolean): Promise<string | null>;
}

const FILE = "paused";

/**
 * A file that is there while paused, and is not otherwise.
 *
 * @param folder the daemon's own, such as systemd's $STATE_DIRECTORY
 */
export function pauseRecord(folder: string): PauseRecord {
  const path = join(folder, FILE);
  let turn: Promise<unknown> = Promise.resolve();

  async function keep(paused: boolean): Promise<string | null> {
    try {
      if (paused) {
        await mkdir(folder, { recursive: true, mode: PRIVATE_FOLDER });
        await writeDurably(path, `${JSON.stringify({ paused, since: new Date().toISOString() })}\n`);
      } else await removeDurably(path);
      return null;
    } catch (error) {
      return troubleWith(path, error);
    }
  }

  return {
    async read() {
      const found = await content(path);
      // The power went while the command was carried out: it may have been seen to be paused.
      if (found === null && (await content(draftOf(path))) !== null) {
        return { paused: true, doubt: `${draftOf(path)} was not finished` };
      }
      if (found === null) return { paused: false, doubt: null };
      if (found instanceof Error) return { paused: true, doubt: `${path} cannot be read: ${found.message}` };
      return { paused: true, doubt: isSound(found) ? null : `${path} is damaged` };
    },
    keep(paused) {
      const kept = turn.then(() => keep(paused));
      turn = kept;
      return kept;
    },
  };
}

/** Null where there is no such file. */
async function content(path: string): Promise<string | Error | null> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const code = errorCode(error);
    if (code === "ENOENT" || code === "ENOTDIR") return null;
    return error instanceof Error ? error : new Error(String(error));
  }
}

function isSound(text: string): boolean {
  try {
    const { paused } = JSON.parse(text) as { paused?: unknown };
    return paused === true;
  } catch {
    return false;
  }
}

function troubleWith(path: string, error: unknown): string {
  switch (errorCode(error)) {
    case "ENOSPC":
      return `the disk of ${path} is full: make room`;
    case "EDQUOT":
      return `the disk quota of ${path} is used up: make room`;
    case "EROFS":
      return `${path} is on a read-only disk`;
    case "EACCES":
    case "EPERM":
      return `${path} may not be written: change its owner`;
    default:
      return `${path}: ${error instanceof Error ? error.message : String(error)}`;
  }
}
