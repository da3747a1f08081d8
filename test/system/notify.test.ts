import { spawn } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createLogger } from "../../src/base/log.js";
import { createServiceNotifier } from "../../src/system/notify.js";

const logger = createLogger("fatal", { write() {} });
let folder: string;
let said: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "emotiond-notify-"));
  said = join(folder, "said");
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

/** Puts a program named systemd-notify first in PATH. */
function standIn(script: string): void {
  const program = join(folder, "systemd-notify");
  writeFileSync(program, `#!/bin/sh\n${script}\n`);
  chmodSync(program, 0o755);
  vi.stubEnv("PATH", `${folder}:${process.env.PATH}`);
}

const heard = () => (existsSync(said) ? readFileSync(said, "utf8").trim().split("\n") : []);
const notifier = (statusIntervalMs = 0) =>
  createServiceNotifier({ env: { NOTIFY_SOCKET: "/run/some" }, logger, statusIntervalMs });

describe("what systemd is told", () => {
  beforeEach(() => standIn(`echo "$*" >> ${said}`));

  it("comes in the order it was said", async () => {
    const service = notifier();
    service.ready();
    service.status("12 fps,\n2 faces");
    service.watchdog();
    service.reloading();
    service.ready();
    service.stopping();
    await service.settled();
    const me = `--pid=${process.pid}`;
    expect(heard()).toEqual([
      `--ready ${me}`,
      `${me} --status=12 fps, 2 faces`,
      "WATCHDOG=1",
      "RELOADING=1",
      `--ready ${me}`,
      "STOPPING=1",
    ]);
  });

  it("prolongs a start that lives and waits for its first frame, and no stop", async () => {
    const service = notifier();
    service.watchdog();
    await service.settled();
    service.ready();
    service.watchdog();
    await service.settled();
    expect(heard()).toEqual([
      "WATCHDOG=1 EXTEND_TIMEOUT_USEC=60000000",
      `--ready --pid=${process.pid}`,
      "WATCHDOG=1",
    ]);
    const stopped = notifier();
    stopped.stopping();
    stopped.watchdog();
    await stopped.settled();
    expect(heard().slice(3)).toEqual(["STOPPING=1", "WATCHDOG=1"]);
  });

  it("is nothing without $NOTIFY_SOCKET", async () => {
    const service = createServiceNotifier({ env: {}, logger });
    service.ready();
    service.status("hello");
    service.watchdog();
    await service.settled();
    expect(heard()).toEqual([]);
  });

  it("has the newest status, not each one", async () => {
    const service = notifier(100);
    for (let fps = 0; fps < 50; fps++) service.status(`${fps} fps`);
    await vi.waitFor(() => expect(heard().at(-1)).toContain("49 fps"), 15_000);
    await service.settled();
    expect(heard().length).toBeLessThanOrEqual(2);
  });
});

describe("a systemd-notify that does not work", () => {
  it.each([
    ["fails", "echo no >&2; exit 1"],
    ["is killed", "kill -9 $$"],
  ])("that %s throws nothing", async (_what, script) => {
    standIn(script);
    const service = notifier();
    service.ready();
    service.watchdog();
    await expect(service.settled()).resolves.toBeUndefined();
  });

  it("that is missing throws nothing", async () => {
    vi.stubEnv("PATH", folder);
    const service = notifier();
    service.ready();
    service.stopping();
    await expect(service.settled()).resolves.toBeUndefined();
  });

  it("that is slow is never run twice at once, and a waiting sign of life is not doubled", async () => {
    standIn(`echo start >> ${said}; sleep 0.2; echo end >> ${said}`);
    const service = notifier();
    for (let i = 0; i < 20; i++) service.watchdog();
    await service.settled();
    expect(heard()).toEqual(["start", "end", "start", "end"]);
  });
});

it("reaches a real notification socket through the real program", async () => {
  const socket = join(folder, "notify");
  // Node has no datagram sockets of the Unix kind; Python is there wherever an addon can be compiled.
  const receiver = spawn("python3", [
    "-c",
    `import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind(${JSON.stringify(socket)})
while True:
    data, fds, *_ = socket.recv_fds(s, 4096, 4)
    for fd in fds: import os; os.close(fd)
    print(data.decode().replace(chr(10), ' '), flush=True)`,
  ]);
  let received = "";
  receiver.stdout.on("data", (data) => (received += data));
  try {
    await vi.waitFor(() => expect(existsSync(socket)).toBe(true), 15_000);
    vi.stubEnv("NOTIFY_SOCKET", socket);
    const service = createServiceNotifier({ logger });
    service.ready();
    service.watchdog();
    await service.settled();
    await vi.waitFor(() => expect(received).toContain("WATCHDOG=1"), 15_000);
    expect(received).toContain("READY=1");
  } finally {
    receiver.kill();
  }
});
