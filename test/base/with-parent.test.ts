import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { withParent } from "../../src/base/with-parent.js";

const run = promisify(execFile);

describe("withParent", () => {
  it("hands on arguments as they are, and the exit code", async () => {
    const words = ["a b", "$HOME", "", '"', "--", "-x"];
    const [file, ...args] = withParent(["/usr/bin/printf", "%s|", ...words]);
    expect((await run(file, args)).stdout).toBe(words.map((word) => `${word}|`).join(""));
    const [sh, ...exits] = withParent(["/bin/sh", "-c", "exit 7"]);
    await expect(run(sh, exits)).rejects.toMatchObject({ code: 7 });
  });

  it("ends the command when its parent is killed", async () => {
    const folder = mkdtempSync(join(tmpdir(), "emotiond-with-parent-"));
    const pidFile = join(folder, "pid");
    const [file, ...args] = withParent(["/bin/sh", "-c", `echo $$ >${pidFile}; exec sleep 60`]);
    const parent = spawn(process.execPath, [
      "-e",
      `require("child_process").spawn(${JSON.stringify(file)}, ${JSON.stringify(args)}); setInterval(() => {}, 1000)`,
    ]);
    onTestFinished(() => void parent.kill("SIGKILL"));
    const child = await vi.waitFor(
      () => {
        const pid = Number(readFileSync(pidFile, "utf8"));
        expect(pid).toBeGreaterThan(0);
        expect(readFileSync(`/proc/${pid}/comm`, "utf8")).toBe("sleep\n");
        return pid;
      },
      { timeout: 10_000 },
    );
    parent.kill("SIGKILL");
    await once(parent, "exit");
    await vi.waitFor(() => expect(() => process.kill(child, 0)).toThrow("ESRCH"), { timeout: 10_000 });
  });

  it("runs the command where setpriv is refused, or is not there", async () => {
    const folder = mkdtempSync(join(tmpdir(), "emotiond-with-parent-"));
    writeFileSync(
      join(folder, "setpriv"),
      "#!/bin/sh\necho 'apply capabilities: not permitted' >&2\nexit 127\n",
      {
        mode: 0o755,
      },
    );
    for (const path of [`${folder}${delimiter}${process.env.PATH}`, "/nowhere"]) {
      const [file, ...args] = withParent(["/bin/echo", "works"]);
      const { stdout, stderr } = await run(file, args, { env: { PATH: path } });
      expect([stdout, stderr]).toEqual(["works\n", ""]);
    }
  });
});
