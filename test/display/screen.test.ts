import { readFileSync } from "node:fs";
import { afterEach, describe, expect, it } from "vitest";
import {
  createScreen,
  SCREEN_TIMES,
  type Screen,
  type ScreenOptions,
} from "../../src/display/screen/screen.js";
import { memoryLogger, until } from "./fixtures.js";

const times = {
  ...SCREEN_TIMES,
  firstBackoff: 50,
  longestBackoff: 400,
  plugPoll: 50,
  stuckAfter: 1000,
  firstPictureWithin: 1000,
  stopGrace: 500,
};
const nowhere = {
  sys: "/nonexistent",
  dev: "/nonexistent",
  env: { PATH: process.env.PATH, HOME: process.env.HOME },
};
const picture = Buffer.alloc(1280 * 720 * 3, 100);

let controller = new AbortController();
let screen: Screen | undefined;

function open(options: Partial<ScreenOptions> = {}): {
  screen: Screen;
  log: ReturnType<typeof memoryLogger>;
} {
  controller = new AbortController();
  const log = memoryLogger();
  const opened: Screen = createScreen({
    sink: { kind: "custom", pipeline: "fakesink sync=false" },
    logger: log.logger,
    signal: controller.signal,
    machine: nowhere,
    times,
    onOpen: () => void opened.offer(picture),
    ...options,
  });
  screen = opened;
  return { screen: opened, log };
}

afterEach(async () => {
  controller.abort();
  await screen?.done;
  screen = undefined;
});

const isAlive = (pid: number) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

describe("a sink that works", () => {
  it("shows the pictures that it is offered", async () => {
    const { screen } = open();
    await until(() => screen.state === "showing", "the first picture");
    for (let sent = 0; sent < 20; sent++) {
      await until(() => screen.ready(), "the slot to be free");
      expect(screen.offer(picture)).toBe(true);
    }
    await until(() => screen.counts.shown >= 20, "the pictures to be flushed");
    expect(screen.fault).toBeUndefined();
  });

  it("runs below the daemon's own priority, without its secrets", async () => {
    process.env.EMOTIOND_MQTT_PASSWORD_FILE = "/secret";
    const { screen } = open({ machine: { ...nowhere, env: { ...process.env } } });
    await until(() => screen.state === "showing", "the first picture");
    const pid = screen.pid ?? 0;
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    expect(Number(fields[16])).toBeGreaterThan(0);
    const environment = readFileSync(`/proc/${pid}/environ`, "utf8");
    expect(environment).not.toContain("EMOTIOND_");
    expect(environment).toContain("LC_ALL=C");
    delete process.env.EMOTIOND_MQTT_PASSWORD_FILE;
  });

  it("leaves no process behind when it is stopped", async () => {
    const { screen } = open();
    await until(() => screen.state === "showing", "the first picture");
    const pid = screen.pid ?? 0;
    const start = Date.now();
    controller.abort();
    await screen.done;
    expect(Date.now() - start).toBeLessThan(2500);
    expect(isAlive(pid)).toBe(false);
    expect(screen.state).toBe("stopped");
    expect(screen.offer(picture)).toBe(false);
  });
});

describe("a sink that fails", () => {
  it("comes back after a kill -9", async () => {
    // A busy machine's GStreamer may need more than a second to start, and is not stuck for that.
    const { screen } = open({ times: { ...times, firstPictureWithin: 60_000, stuckAfter: 60_000 } });
    await until(() => screen.state === "showing", "the first picture");
    const first = screen.pid ?? 0;
    process.kill(first, "SIGKILL");
    await until(() => screen.state === "showing" && screen.pid !== first, "the second child");
    expect(screen.counts.starts).toBe(2);
  });

  it("drops pictures at once, and holds no more than one, while the child is stopped", async () => {
    const { screen } = open({ times: { ...times, stuckAfter: 60_000 } });
    await until(() => screen.state === "showing", "the first picture");
    await until(() => screen.ready(), "the slot to be free");
    const pid = screen.pid ?? 0;
    process.kill(pid, "SIGSTOP");
    try {
      screen.offer(picture);
      const memory = process.memoryUsage().rss;
      let spent = 0;
      const dropped = screen.counts.dropped;
      for (let sent = 0; sent < 3000; sent++) {
        const start = performance.now();
        expect(screen.offer(picture)).toBe(false);
        spent += performance.now() - start;
        if (sent % 100 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      }
      expect(screen.counts.dropped - dropped).toBe(3000);
      // 3000 pictures would be 8 GB.
      expect(process.memoryUsage().rss - memory).toBeLessThan(64 * 1024 * 1024);
      // A fifth of a millisecond each, on a busy machine too.
      expect(spent).toBeLessThan(600);
    } finally {
      process.kill(pid, "SIGCONT");
    }
    await until(() => screen.ready(), "the child to go on");
  });

  it("ends a child that stays stuck, and starts another", async () => {
    const { screen, log } = open();
    await until(() => screen.state === "showing", "the first picture");
    await until(() => screen.ready(), "the slot to be free");
    const first = screen.pid ?? 0;
    process.kill(first, "SIGSTOP");
    screen.offer(picture);
    await until(() => screen.state === "showing" && screen.pid !== first, "the second child");
    expect(isAlive(first)).toBe(false);
    expect(log.lines.some(({ message }) => message.includes("takes no pictures"))).toBe(true);
  });

  it("stops within its grace even then", async () => {
    const { screen } = open({ times: { ...times, stuckAfter: 60_000 } });
    await until(() => screen.state === "showing", "the first picture");
    const pid = screen.pid ?? 0;
    process.kill(pid, "SIGSTOP");
    screen.offer(picture);
    const start = Date.now();
    controller.abort();
    await screen.done;
    expect(Date.now() - start).toBeLessThan(3000);
    expect(isAlive(pid)).toBe(false);
  });

  it("names a missing gst-launch-1.0 with its packages, once", async () => {
    const { screen, log } = open({ launcher: "/nonexistent/gst-launch-1.0" });
    await screen.settled;
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(screen.state).toBe("waiting");
    expect(screen.fault?.code).toBe("missing-tool");
    expect(log.lines).toHaveLength(1);
    expect(log.lines[0]?.message).toContain("apt install gstreamer1.0-tools");
  });

  it.each([
    ["nosuchsink", "missing-plugin"],
    ["fakesink nosuch=1", "bad-pipeline"],
  ])("says what is wrong with the pipeline %s", async (pipeline, code) => {
    const { screen } = open({ sink: { kind: "custom", pipeline } });
    await screen.settled;
    expect(screen.fault?.code).toBe(code);
    expect(screen.ready()).toBe(false);
  });

  it("names a missing DISPLAY", async () => {
    const { screen, log } = open({ sink: { kind: "x11" } });
    await screen.settled;
    expect(screen.fault).toMatchObject({ code: "no-x11" });
    expect(log.lines[0]?.message).toContain("DISPLAY is not set");
  });

  it("names an X server that does not answer", async () => {
    const { screen } = open({
      sink: { kind: "x11" },
      machine: { ...nowhere, env: { ...nowhere.env, DISPLAY: ":6789" } },
    });
    await screen.settled;
    expect(screen.fault).toMatchObject({ code: "no-x11" });
  });
});

describe("auto", () => {
  it("falls to none without failing, and says so once", async () => {
    const { screen, log } = open({ sink: { kind: "auto" } });
    await screen.settled;
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(screen.state).toBe("waiting");
    expect(screen.counts.starts).toBe(0);
    expect(log.lines).toEqual([{ level: "info", message: expect.stringContaining("no display was found") }]);
  });
});
