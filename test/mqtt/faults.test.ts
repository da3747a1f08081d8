import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { NetworkWay } from "../../scripts/test-support/fault-network.js";
import { ownNetwork } from "../../scripts/test-support/own-network.js";
import type { RoundsOrder, RoundsResult } from "./support/fault-rounds.js";

const RUNS = Number(process.env.FAULT_RUNS ?? 1);
const own = ownNetwork();

async function rounds(way: NetworkWay, runner: readonly string[]): Promise<RoundsResult> {
  const order: RoundsOrder = { way, runs: RUNS };
  const script = join(import.meta.dirname, "support/fault-rounds.ts");
  const [program = process.execPath, ...args] = [
    ...runner,
    ...[process.execPath, "--import", "tsx", script, JSON.stringify(order)],
  ];
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  let [out, errors] = ["", ""];
  child.stdout.on("data", (text: Buffer) => {
    out += text.toString();
  });
  child.stderr.on("data", (text: Buffer) => {
    errors += text.toString();
  });
  const [code] = (await once(child, "close")) as [number | null];
  expect(code, errors).toBe(0);
  return JSON.parse(out) as RoundsResult;
}

describe("whatever happens to broker, network and process", { timeout: 3_600_000 }, () => {
  it("a subscriber with a session gets every event at least once, and in order", async () => {
    const { way, faults, events } = await rounds("proxy", []);
    expect([way, faults >= 2 * RUNS, events >= 50 * RUNS]).toEqual(["proxy", true, true]);
  });

  it("the same where the network loses packets and no socket hears of it", async ({ skip }) => {
    if (!own.possible) return skip(`it takes network namespaces: ${own.reason}`);
    const { way, faults, events } = await rounds("link", own.runner);
    expect([way, faults >= 2 * RUNS, events >= 50 * RUNS]).toEqual(["link", true, true]);
  });
});
