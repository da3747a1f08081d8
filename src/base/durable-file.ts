import { open, rename, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";

/** For the daemon's user alone: what it keeps tells of people. */
export const PRIVATE_FILE = 0o600;
export const PRIVATE_FOLDER = 0o700;

/** Where a file is written before it takes its place; one that is left over was never finished. */
export function draftOf(path: string): string {
  return `${path}.new`;
}

/**
 * Puts `text` into the file at `path`, in the place of what was there: after a power cut it holds the one or the other,
 * and the new one once this has resolved.
 *
 * @throws the file system's error; then the old content stands, and no draft is left where that can be helped
 */
export async function writeDurably(path: string, text: string): Promise<void> {
  const draft = draftOf(path);
  try {
    // A draft of an earlier attempt would keep its own mode.
    await rm(draft, { force: true });
    await writeFile(draft, text, { mode: PRIVATE_FILE, flush: true });
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true }).catch(() => undefined);
    throw error;
  }
  await flushFolder(dirname(path));
}

/**
 * Removes the file at `path`, and its draft: gone for certain once this has resolved, also where it was not there.
 *
 * @throws the file system's error
 */
export async function removeDurably(path: string): Promise<void> {
  await rm(path, { force: true });
  await rm(draftOf(path), { force: true });
  await flushFolder(dirname(path)).catch((error: unknown) => {
    if (errorCode(error) !== "ENOENT") throw error;
  });
}

/** A rename or a removal is on disk once its folder is. */
async function flushFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
