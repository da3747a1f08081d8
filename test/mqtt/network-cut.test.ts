import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ownNetwork } from "../../scripts/test-support/own-network.js";
import { MQTT_TIMING } from "../../src/mqtt/client.js";
import type { CutOrder, CutResult } from "./support/cut-network.js";

const own = ownNetwork();

function cut(order: CutOrder): CutResult[] {
  if (!own.possible) throw new Error(own.reason);
  const [program, ...args] = own.runner;
  const script = join(import.meta.dirname, "support/cut-network.ts");
  const result = spawnSync(
    program,
    [...args, process.execPath, "--import", "tsx", script, JSON.stringify(order)],
    { encoding: "utf8", timeout: 170_000 },
  );
  expect(result.status, result.stderr).toBe(0);
  return JSON.parse(result.stdout) as CutResult[];
}

/** Milliseconds that a busy machine may take from a timer's time to the subscriber's callback. */
const SLACK = 500;
/** Milliseconds that the kernel holds a packet back while it looks for its next hop. */
const NEIGHBOUR = 3000;

describe("a network that is cut where no socket hears of it", { timeout: 180_000 }, () => {
  it("costs no event, and nothing that comes older than the limit claims to be fresh", ({ skip }) => {
    if (!own.possible) return skip(`it takes network namespaces: ${own.reason}`);
    for (const result of cut({
      cuts: [
        { what: "route", ms: 2000 },
        { what: "route", ms: 4500 },
      ],
    })) {
      expect(result.made, result.protocol).toBeGreaterThan(50);
      expect(result.missing, result.protocol).toBe(0);
      expect(result.replayed, result.protocol).toBeGreaterThan(20);
      expect(result.stalestFresh, result.protocol).toBeLessThan(MQTT_TIMING.freshFor + SLACK);
    }
  });

  it("holds on to a packet in the kernel for some seconds more when it is the device's own cable", ({
    skip,
  }) => {
    if (!own.possible) return skip(`it takes network namespaces: ${own.reason}`);
    for (const result of cut({ cuts: [{ what: "cable", ms: 4000 }] })) {
      expect(result.missing, result.protocol).toBe(0);
      expect(result.stalestFresh, result.protocol).toBeLessThan(MQTT_TIMING.freshFor + NEIGHBOUR + SLACK);
    }
  });
});
