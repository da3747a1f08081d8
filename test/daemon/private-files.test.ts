import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { configFile, emotiond, killed, stillsConfig } from "../../scripts/test-support/daemon.js";
import { freePort, startMosquitto } from "../../scripts/test-support/mosquitto.js";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Files and folders below `folder` that anybody but their owner may use. */
function openToOthers(folder: string): string[] {
  return readdirSync(folder, { recursive: true })
    .map((name) => join(folder, String(name)))
    .filter((path) => (statSync(path).mode & 0o077) !== 0);
}

it("writes into its state folder for its own user alone, whatever the umask, and nothing delivered stays", async () => {
  const state = mkdtempSync(join(tmpdir(), "emotiond-state-"));
  cleanups.push(() => rmSync(state, { recursive: true, force: true }));
  chmodSync(state, 0o755);
  const before = process.umask(0o000);
  cleanups.push(() => process.umask(before));
  const port = await freePort();
  const daemon = emotiond(
    [
      "run",
      "--config",
      configFile(stillsConfig(`mqtt://127.0.0.1:${port}`, { emotion: { engine: "auto" } })),
    ],
    { STATE_DIRECTORY: state },
  );
  cleanups.push(() => killed(daemon));
  const until = async (done: () => boolean) => {
    const deadline = performance.now() + 40_000;
    while (!done()) {
      if (performance.now() > deadline) throw new Error(`${readdirSync(state)}\n${daemon.stderr()}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  const outbox = () => (readdirSync(state).includes("outbox") ? readdirSync(join(state, "outbox")) : []);
  await until(() => outbox().includes("CURRENT") && readdirSync(state).includes("engines.json"));
  expect(openToOthers(state)).toEqual([]);
  // The broker comes, and takes everything.
  const broker = await startMosquitto(undefined, port);
  cleanups.push(() => broker.stop());
  await until(() => !readdirSync(state).includes("outbox"));
  expect(daemon.child.exitCode).toBeNull();
});
