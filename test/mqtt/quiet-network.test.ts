import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ownNetwork } from "../../scripts/test-support/own-network.js";

const built = existsSync(new URL("../../dist/main.js", import.meta.url));
const own = ownNetwork();
const canTrace = spawnSync("strace", ["-qq", "-o", "/dev/null", "true"]).status === 0;

describe("the network", () => {
  it("hears nothing of the daemon but what it says to its broker, from start to stop", {
    timeout: 180_000,
  }, ({ skip }) => {
    skip(!built, "there is no dist: npm run build");
    if (!own.possible) return skip(`it takes network namespaces: ${own.reason}`);
    skip(!canTrace, "it takes strace");
    const script = join(import.meta.dirname, "support/namespace.ts");
    const [program, ...args] = own.runner;
    const result = spawnSync(program, [...args, process.execPath, "--import", "tsx", script], {
      encoding: "utf8",
      timeout: 170_000,
    });
    expect(result.status, result.stderr).toBe(0);
    const seen = JSON.parse(result.stdout) as {
      code: number;
      control: { traced: string[]; captured: string[] };
      traced: string[];
      captured: string[];
      broker: string;
      events: number;
    };
    expect(seen.code).toBe(0);
    expect(seen.events).toBeGreaterThanOrEqual(5);
    expect(seen.control).toEqual({ traced: ["192.0.2.1 80"], captured: ["192.0.2.1 80"] });
    expect(seen.traced).toEqual([seen.broker]);
    expect(seen.captured).toEqual([seen.broker]);
  });
});
