import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

/** systemd/restart-pause, with a systemd that says what a test wants and a sleep that only tells how long. */

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "restart-pause-"));
});

afterEach(() => rmSync(folder, { recursive: true }));

const SECOND = 1_000_000;
const MINUTE = 60 * SECOND;

/** Seconds that it waits. A run is from when it was ready until its end, in microseconds since boot, as `now` is. */
function pause(
  restarts: number,
  run: { ready: number; end: number },
  now: number,
  ...long: string[]
): number {
  const properties = [
    `NRestarts=${restarts}`,
    `StateChangeTimestampMonotonic=${now}`,
    `ActiveEnterTimestampMonotonic=${run.ready}`,
    `ActiveExitTimestampMonotonic=${run.end}`,
  ];
  const asked = '[ "$1 $4" = "show emotiond.service" ] || exit 1';
  const put = (name: string, text: string) =>
    writeFileSync(join(folder, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  put("systemctl", `${asked}\nprintf '%s\\n' ${properties.join(" ")}`);
  put("sleep", 'echo "slept $1"');
  const { status, stdout, stderr } = spawnSync(
    "/bin/sh",
    [join(import.meta.dirname, "..", "..", "systemd", "restart-pause"), "emotiond.service", ...long],
    { encoding: "utf8", env: { PATH: folder } },
  );
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  return Number(/^slept (\d+)$/m.exec(stdout)?.[1] ?? 0);
}

describe("the pause before a restart", () => {
  const never = { ready: 0, end: 0 };

  it("grows to a minute, with the two seconds that systemd has waited", () => {
    const pauses = [0, 1, 2, 3, 4, 5, 6, 100].map((restarts) => pause(restarts, never, 50 * MINUTE));
    expect(pauses).toEqual([0, 0, 2, 6, 13, 28, 58, 58]);
  });

  it("grows after short runs, too", () => {
    const end = 50 * MINUTE;
    expect(pause(4, { ready: end - 9 * MINUTE, end }, end + 3 * SECOND)).toBe(13);
  });

  it("is forgotten after a run of ten minutes, however many restarts there were", () => {
    const end = 30 * 24 * 60 * MINUTE;
    expect(pause(40, { ready: end - 10 * MINUTE, end }, end + 8 * SECOND)).toBe(0);
  });

  it("is forgotten after a shorter run, if that is asked for", () => {
    const run = { ready: 50 * MINUTE, end: 50 * MINUTE + 6 * SECOND };
    expect(pause(4, run, run.end + 2 * SECOND, "5")).toBe(0);
    expect(pause(4, run, run.end + 2 * SECOND, "7")).toBe(13);
  });

  it("comes back when the restarts after such a run fail", () => {
    const end = 30 * 24 * 60 * MINUTE;
    expect(pause(44, { ready: 5 * MINUTE, end }, end + 21 * SECOND)).toBe(58);
  });
});
