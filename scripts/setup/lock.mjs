import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { SetupFailure } from "./failure.mjs";

/**
 * Runs `work` while no other set-up of this user runs. A lock whose owner is dead is taken over.
 *
 * @param {string} path the lock file, with its owner's process id in it
 * @param {() => void} onWait called once if another set-up has to be waited for
 */
export async function withLock(path, work, onWait = () => {}) {
  try {
    mkdirSync(dirname(path), { recursive: true });
  } catch (error) {
    throw new SetupFailure(
      `The cache folder ${dirname(path)} cannot be made (${error.code}): set XDG_CACHE_HOME to a folder that you may write to.`,
    );
  }
  for (let waited = false; !take(path); waited = true) {
    if (!waited) onWait();
    await sleep(500);
  }
  const release = () => rmSync(path, { force: true });
  process.once("exit", release);
  try {
    return await work();
  } finally {
    process.removeListener("exit", release);
    release();
  }
}

function take(path) {
  try {
    writeFileSync(path, String(process.pid), { flag: "wx" });
    return true;
  } catch (error) {
    if (error.code !== "EEXIST") throw error;
    if (!isAlive(path)) rmSync(path, { force: true });
    return false;
  }
}

function isAlive(path) {
  try {
    const pid = Number(readFileSync(path, "utf8"));
    // An empty file is a lock that is being written at this moment.
    if (pid === 0) return true;
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}
