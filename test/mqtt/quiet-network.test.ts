import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const built = existsSync(new URL("../../dist/main.js", import.meta.url));
const NAMESPACE = process.getuid?.() === 0 ? ["-n"] : ["-rn"];
const canTrace =
  spawnSync("strace", ["-qq", "-o", "/dev/null", "true"]).status === 0 &&
  spawnSync("unshare", [...NAMESPACE, "ip", "link", "set", "lo", "up"]).status === 0;

describe("the network", () => {
  it("hears nothing of the daemon but what it says to its broker, from start to stop", {
    timeout: 180_000,
  }, ({ skip }) => {
    skip(!built, "there is no dist: npm run build");
    skip(!canTrace, "it takes strace, iproute2 and network namespaces: run it as root");
    const script = join(import.meta.dirname, "support/namespace.ts");
    const result = spawnSync("unshare", [...NAMESPACE, process.execPath, "--import", "tsx", script], {
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
