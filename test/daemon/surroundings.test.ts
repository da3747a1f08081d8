import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterEach, describe, expect, it } from "vitest";
import {
  configFile,
  emotiond,
  killed,
  type RunningProgram,
  SAMPLE_PHOTOS,
  stillsConfig,
} from "../../scripts/test-support/daemon.js";

const MAIN = fileURLToPath(new URL("../../dist/main.js", import.meta.url));
const NOBODY = "mqtt://127.0.0.1:1";
const SAMPLES = [1, 2, 3].map((number) => join(SAMPLE_PHOTOS, `sample${number}.jpg`));

let running: RunningProgram | undefined;
let child: ChildProcess | undefined;
afterEach(async () => {
  await killed(running);
  running = undefined;
  child?.kill("SIGKILL");
  child = undefined;
});

function config(more: object = {}): string {
  const path = join(mkdtempSync(join(tmpdir(), "emotiond-surroundings-")), "outbox");
  return configFile(stillsConfig(NOBODY, { mqtt: { url: NOBODY, outbox: { path } }, ...more }));
}

/** Runs a line of bash, with the program as `emotiond`. */
async function bash(line: string): Promise<{ code: number; stdout: string; stderr: string }> {
  const script = `emotiond() { "${process.execPath}" "${MAIN}" "$@"; }\n${line}`;
  const environment = { ...process.env, NOTIFY_SOCKET: "", EMOTIOND_EMOTION_ENGINE: "onnx-int8" };
  try {
    return { code: 0, ...(await promisify(execFile)("bash", ["-c", script], { env: environment })) };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, stdout, stderr };
  }
}

/** Until it catches a signal: then its first instructions are through. */
async function catches(pid: number | undefined, number: number): Promise<void> {
  await expect
    .poll(
      () => {
        const mask = /^SigCgt:\s*([0-9a-f]+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
        return (BigInt(`0x${mask}`) >> BigInt(number - 1)) & 1n;
      },
      { interval: 2, timeout: 10_000 },
    )
    .toBe(1n);
}

/** The TCP ports that a process listens on. */
function listening(pid: number | undefined): number[] {
  const sockets = new Set(
    readdirSync(`/proc/${pid}/fd`).flatMap((name) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${name}`))?.[1] ?? [];
      } catch {
        return [];
      }
    }),
  );
  return ["tcp", "tcp6"]
    .flatMap((table) => readFileSync(`/proc/${pid}/net/${table}`, "utf8").split("\n"))
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[3] === "0A" && sockets.has(fields[9] ?? ""))
    .map((fields) => Number.parseInt(fields[1]?.split(":")[1] ?? "", 16));
}

describe("signals", () => {
  it("SIGUSR1 opens no inspector in the daemon", async () => {
    running = emotiond(["run", "--config", config({ http: { listen: "127.0.0.1:0" } })]);
    await running.says("camera is running");
    await running.says("emotiond is starting");
    for (let i = 0; i < 3; i++) {
      running.child.kill("SIGUSR1");
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    // HTTP's own.
    await expect.poll(() => listening(running?.child.pid), { timeout: 10_000 }).toHaveLength(1);
    expect(listening(running.child.pid)).not.toContain(9229);
    expect(running.stderr()).not.toContain("Debugger");
    running.child.kill("SIGTERM");
    expect((await running.finished).code).toBe(0);
  });

  it("SIGUSR1 opens no inspector in the process that times the engines", async () => {
    const program = fileURLToPath(new URL("../../dist/emotion/time-engines.js", import.meta.url));
    const model = fileURLToPath(new URL("../../models/emotion", import.meta.url));
    child = spawn(process.execPath, [program, model, "onnx-int8", "onnx-fp32"], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    const { pid } = child;
    let said = "";
    child.stderr?.on("data", (text: Buffer) => {
      said += text.toString();
    });
    const closed = once(child, "close");
    // What it times is loaded after its first instructions.
    await expect
      .poll(() => readFileSync(`/proc/${pid}/maps`, "utf8"), { interval: 5, timeout: 10_000 })
      .toContain("onnxruntime");
    child.kill("SIGUSR1");
    expect(await closed).toEqual([0, null]);
    expect(said).toBe("");
  });

  it("a reload that is asked for while the daemon starts comes once it has started", async () => {
    running = emotiond(["run", "--config", config()]);
    await catches(running.child.pid, 1);
    running.child.kill("SIGHUP");
    await running.says("configuration reloaded");
    expect(running.stderr().indexOf("emotiond is starting")).toBeLessThan(
      running.stderr().indexOf("reloading"),
    );
    running.child.kill("SIGTERM");
    expect((await running.finished).code).toBe(0);
  });

  it.each(["SIGTERM", "SIGINT"] as const)(
    "%s while the daemon starts ends it in good order",
    async (name) => {
      running = emotiond(["run", "--config", config()]);
      // Node itself catches the others from its start on; SIGHUP is held last.
      await catches(running.child.pid, 1);
      running.child.kill(name);
      expect(await running.finished).toMatchObject({ code: 0, signal: null });
    },
  );
});

describe("output that goes nowhere", () => {
  it("does not end the daemon when its log is on a full disk, or nobody reads it", async () => {
    const film = config({
      source: { type: "stills", uri: SAMPLES[0], loop: false, framerate: 5, realtime: false },
    });
    expect(await bash(`emotiond run --config ${film} 2>/dev/full`)).toMatchObject({ code: 0 });
    const unread = await bash(`emotiond run --config ${film} 2> >(true); echo "code $?"`);
    expect(unread.stdout).toBe("code 0\n");
  });

  it("keeps the code of a command whose complaint cannot be written", async () => {
    expect((await bash("emotiond check --config /nowhere 2>/dev/full")).code).toBe(78);
    expect((await bash("emotiond fly 2>/dev/full")).code).toBe(64);
  });

  it.each([
    ["classify", `classify ${SAMPLES.join(" ")} /nowhere.jpg`],
    ["schema", "schema config"],
    ["check", "check --config FILE"],
    ["doctor", "doctor --config FILE"],
    ["--help", "--help"],
  ])("%s ends quietly when its reader has had enough", async (_name, call) => {
    const line = call.replace("FILE", config());
    for (const reader of call.startsWith("classify") ? ["head -1 >/dev/null"] : ["true"]) {
      const { stdout, stderr } = await bash(`emotiond ${line} | ${reader}; echo "\${PIPESTATUS[0]}"`);
      expect(stderr).toBe("");
      // The broker that doctor looks for is not there.
      expect(stdout).toBe(call.startsWith("doctor") ? "1\n" : "0\n");
    }
  });

  it.each(["schema config", "check --config FILE", `classify ${SAMPLES[0]}`])(
    "%s fails when its result cannot be written",
    async (call) => {
      const { code, stderr } = await bash(`emotiond ${call.replace("FILE", config())} >/dev/full`);
      expect(code).toBe(1);
      expect(stderr).toMatch(/^emotiond: the result cannot be written: ENOSPC.*\n$/);
    },
  );
});

describe("a limit of open files that is too low", () => {
  it.each([24, 100])("of %i: says so, and the cure", async (limit) => {
    for (const call of [
      "run --config FILE",
      "check --config FILE",
      "schema event",
      `classify ${SAMPLES[0]}`,
    ]) {
      const { code, stdout, stderr } = await bash(
        `ulimit -n ${limit}; emotiond ${call.replace("FILE", config())}`,
      );
      expect(stdout).toBe("");
      expect(stderr).toMatch(/^emotiond: this process may open only \d+ files .*ulimit -n 1024.*\n$/);
      expect(code).toBe(1);
    }
  });

  it("of 128 is enough", async () => {
    expect((await bash(`ulimit -n 128; emotiond classify ${SAMPLES[0]}`)).code).toBe(0);
  });
});
