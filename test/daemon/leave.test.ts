import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const LEAVE = new URL("../../src/system/leave.ts", import.meta.url).href;
/** From this version on a process can become another. */
const execve = (process as { execve?: unknown }).execve !== undefined;

let folder = "";
let silent = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "emotiond-leave-"));
  silent = join(folder, "fifo");
  execFileSync("mkfifo", [silent]);
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A process that leaves, while the opening of a pipe that nobody writes holds a thread of libuv's pool or not. */
async function left(code: number, hanging: boolean) {
  const program = [
    `import { open } from "node:fs";`,
    `import { leave } from ${JSON.stringify(LEAVE)};`,
    `process.on("SIGTERM", () => undefined);`,
    hanging ? `open(${JSON.stringify(silent)}, () => undefined);` : "",
    `setTimeout(() => { process.stderr.write("leaving"); leave(${code}); }, 100);`,
  ].join("\n");
  const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "--eval", program], {
    stdio: ["ignore", "inherit", "pipe"],
  });
  const kill = setTimeout(() => child.kill("SIGKILL"), 20_000);
  const exit = once(child, "exit");
  let said = "";
  child.stderr.on("data", (text: Buffer) => {
    said += text.toString();
  });
  await once(child.stderr, "data");
  const begun = performance.now();
  const [status, signal] = (await exit) as [number | null, NodeJS.Signals | null];
  clearTimeout(kill);
  expect(said).toBe("leaving");
  return { status, signal, milliseconds: performance.now() - begun };
}

describe("a process that leaves", () => {
  it.each([0, 1, 78])("while nothing hangs: with the code %i", async (code) => {
    expect(await left(code, false)).toMatchObject({ status: code, signal: null });
  });

  it.each([
    [0, "SIGTERM"],
    [1, "SIGKILL"],
  ])("while a call hangs: with the code %i, before Node 22.15 by %s, and soon", async (code, signal) => {
    const { milliseconds, ...ending } = await left(code, true);
    expect(ending).toEqual(execve ? { status: code, signal: null } : { status: null, signal });
    expect(milliseconds).toBeLessThan(3_000);
  });
});
