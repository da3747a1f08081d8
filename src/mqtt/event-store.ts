import { createHash } from "node:crypto";
import { readdirSync } from "node:fs";
import { chmod, mkdir, readdir, rename, rm, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ClassicLevel } from "classic-level";
import { errorCode, PRIVATE_FILE, PRIVATE_FOLDER } from "../base/durable-file.js";

/**
 * The events on disk, in LevelDB: a log with checksums that a power cut can only shorten, in one small addon whose npm
 * package holds the binaries for arm64, armv7, armv6 and x64. (lmdb was the other candidate: faster to read, but it
 * maps its file into memory, where a damaged one ends the process with SIGBUS, and each commit rewrites whole pages.)
 */
export interface EventStore {
  /** Writes and deletes in one step; on disk for certain when it resolves, if `puts` is not empty. */
  write(puts: readonly Stored[], deletes: readonly string[]): Promise<void>;
  /** At most `limit` entries with `after` < key ≤ `upTo`, in order; the value of a damaged one is null. */
  read(after: string, upTo: string, limit: number): Promise<readonly Found[]>;
  close(): Promise<void>;
}

export interface Stored {
  readonly key: string;
  readonly value: string;
}

export interface Found {
  readonly key: string;
  readonly value: string | null;
}

export interface OpenedStore {
  readonly store: EventStore;
  readonly count: number;
  /** The greatest key; "" when there is none. */
  readonly last: string;
  /** What was wrong with what was found, in words; null when nothing was. */
  readonly damage: string | null;
}

/** Keys sort as the numbers they are made of. */
export function storeKey(order: number): string {
  return order.toString().padStart(16, "0");
}

/** LevelDB's files that hold events, also under the names that older versions of it gave them. */
const EVENT_FILE = /^\d+\.(log|ldb|sst)$/;
/** Its others. `lost` is the folder in which a repair puts what it could not use. */
const OTHER_FILE = /^(CURRENT|LOCK|LOG|LOG\.old|MANIFEST-\d+|\d+\.dbtmp|lost|probe)$/;

/** True when there is something at `path` that must be opened to see whether events wait in it. */
export function storeExists(path: string): boolean {
  try {
    return readdirSync(path).some((name) => name === "CURRENT" || EVENT_FILE.test(name));
  } catch {
    return false;
  }
}

/**
 * Removes the store at `path` with all that it holds, and what was put aside as damaged. What a crash in between leaves
 * of it is found by `storeExists`. A folder in which there is something else stays.
 *
 * @throws the store's error, LEVEL_LOCKED among them when another process uses it, or the file system's
 */
export async function destroyEventStore(path: string): Promise<void> {
  await ClassicLevel.destroy(path);
  for (const left of [join(path, "lost"), join(path, "probe"), asideOf(path)]) {
    await rm(left, { recursive: true, force: true });
  }
  await rmdir(path).catch(() => undefined);
}

function asideOf(path: string): string {
  return `${path}.damaged`;
}

/**
 * Opens the store at `path`, or makes it. One that is damaged is repaired; what cannot be repaired is put aside as
 * `<path>.damaged`, in the place of an older one, until the store is removed.
 *
 * @throws the store's error, for `storeFailure` to put in words
 */
export async function openEventStore(path: string): Promise<OpenedStore> {
  try {
    return await open(path, null);
  } catch (error) {
    if (!isDamage(error)) throw error;
  }
  try {
    await ClassicLevel.repair(path);
    return await open(path, "it was damaged, and has been repaired: some events may be lost");
  } catch (error) {
    if (!isDamage(error)) throw error;
  }
  const aside = asideOf(path);
  await rm(aside, { recursive: true, force: true });
  await rename(path, aside);
  return await open(path, `it was damaged beyond repair, and is put aside as ${aside}`);
}

/** For the daemon's user alone. A folder in which there is something else keeps its mode: it is not only ours. */
async function makePrivate(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: PRIVATE_FOLDER });
  const names = await readdir(path);
  const ours = names.filter((name) => EVENT_FILE.test(name) || OTHER_FILE.test(name));
  try {
    if (ours.length === names.length) await chmod(path, PRIVATE_FOLDER);
    for (const name of ours) await chmod(join(path, name), name === "lost" ? PRIVATE_FOLDER : PRIVATE_FILE);
  } catch (error) {
    // Somebody else's, or on a read-only disk: opening it will tell.
    if (errorCode(error) !== "EPERM" && errorCode(error) !== "EROFS") throw error;
  }
}

async function open(path: string, damage: string | null): Promise<OpenedStore> {
  await makePrivate(path);
  const level = new ClassicLevel<string, string>(path, {
    // Small, for a store that holds little and is written seldom; the default is 4 MiB, twice.
    writeBufferSize: 1024 * 1024,
    cacheSize: 1024 * 1024,
    maxOpenFiles: 32,
  });
  await level.open();
  let count = 0;
  let last = "";
  try {
    for await (const key of level.keys()) {
      count += 1;
      last = key;
    }
  } catch (error) {
    await level.close();
    throw error;
  }
  return { store: storeOf(level), count, last, damage };
}

function storeOf(level: ClassicLevel<string, string>): EventStore {
  return {
    async write(puts, deletes) {
      if (puts.length === 0 && deletes.length === 0) return;
      await level.batch(
        [
          ...deletes.map((key) => ({ type: "del" as const, key })),
          ...puts.map(({ key, value }) => ({ type: "put" as const, key, value: digest(value) + value })),
        ],
        // A deletion that a power cut undoes costs a repeated event, no lost one: it can wait for the next write.
        { sync: puts.length > 0 },
      );
    },
    async read(after, upTo, limit) {
      const entries = await level.iterator({ gt: after, lte: upTo, limit }).all();
      return entries.map(([key, text]) => {
        const value = text.slice(DIGEST_LENGTH);
        return { key, value: digest(value) === text.slice(0, DIGEST_LENGTH) ? value : null };
      });
    },
    close: () => level.close(),
  };
}

const DIGEST_LENGTH = 8;

/** LevelDB's addon reads without looking at the checksums of its tables; this one is looked at. */
function digest(value: string): string {
  return createHash("sha1").update(value).digest("base64").slice(0, DIGEST_LENGTH);
}

/** Not damage: the store would be sound if the disk let it be used. */
const DISK_TROUBLE =
  /no space left|quota|read-only|permission denied|input\/output error|too many open files/i;

function isDamage(error: unknown): boolean {
  const { code, text } = describe(error);
  // A missing or shortened file of the store is an I/O error to LevelDB.
  return code === "LEVEL_CORRUPTION" || (code === "LEVEL_IO_ERROR" && !DISK_TROUBLE.test(text));
}

/**
 * Finds out whether the disk at `path` takes a file of 256 KiB, before a store that can still be read is closed to be
 * opened anew: opening writes.
 *
 * @throws the system's error
 */
export async function probeDisk(path: string): Promise<void> {
  const file = join(path, "probe");
  try {
    await writeFile(file, Buffer.alloc(256 * 1024), { flush: true });
  } finally {
    await rm(file, { force: true });
  }
}

/** What is wrong with the disk, in words that name the cure. */
export function storeFailure(
  error: unknown,
  path: string,
): { readonly code: string; readonly message: string } {
  const { code, text } = describe(error);
  const say = (kind: string, cure: string) => ({ code: kind, message: cure });
  if (/no space left/i.test(text)) return say("ENOSPC", `the disk of ${path} is full: make room`);
  if (/quota/i.test(text)) return say("EDQUOT", `the disk quota of ${path} is used up: make room`);
  if (/read-only/i.test(text))
    return say("EROFS", `${path} is on a read-only disk: set mqtt.outbox.path elsewhere`);
  if (/permission denied|EACCES/i.test(text)) {
    return say("EACCES", `${path} may not be written: change its owner, or set mqtt.outbox.path elsewhere`);
  }
  if (code === "LEVEL_LOCKED") {
    return say("LOCKED", `${path} is in use by another process: give each instance a folder of its own`);
  }
  if (/ENOTDIR|EEXIST|not a directory/i.test(text)) {
    return say("ENOTDIR", `${path} is not a folder: correct mqtt.outbox.path`);
  }
  if (/input\/output error/i.test(text)) return say("EIO", `the disk of ${path} fails: replace it`);
  return say(code, `${path}: ${text}`);
}

function describe(error: unknown): { code: string; text: string } {
  if (!(error instanceof Error)) return { code: "unknown", text: String(error) };
  const code = "code" in error && typeof error.code === "string" ? error.code : error.name;
  // The store wraps the reason in an error that says only that it is not open.
  if (error.cause instanceof Error) {
    const inner = describe(error.cause);
    return { code: inner.code, text: `${error.message}: ${inner.text}` };
  }
  return { code, text: error.message };
}
