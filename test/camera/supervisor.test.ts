import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { backoffDelay } from "../../src/base/backoff.js";
import type { Clock } from "../../src/base/clock.js";
import { type Camera, CameraError } from "../../src/camera/camera.js";
import { createSlot } from "../../src/camera/slot.js";
import { type CameraSupervisor, superviseCamera } from "../../src/camera/supervisor.js";
import { listeningLog, plainFrame } from "./helpers.js";

/** A clock that goes when it is told to. */
function handClock(): Clock & { advance(milliseconds: number): Promise<void> } {
  let now = 0;
  let timers: { readonly at: number; readonly callback: () => void }[] = [];
  const settle = () => new Promise<void>((resolve) => setImmediate(resolve));
  return {
    now: () => now,
    after: (milliseconds, callback) => {
      const timer = { at: now + milliseconds, callback };
      timers.push(timer);
      return () => {
        timers = timers.filter((other) => other !== timer);
      };
    },
    advance: async (milliseconds) => {
      const until = now + milliseconds;
      await settle();
      for (;;) {
        const due = timers.filter((timer) => timer.at <= until).sort((a, b) => a.at - b.at)[0];
        if (due === undefined) break;
        now = due.at;
        timers = timers.filter((timer) => timer !== due);
        due.callback();
        await settle();
      }
      now = until;
      await settle();
    },
  };
}

/** A camera whose attempts the test plays by hand. */
function puppet() {
  let number = 0;
  const attempts: {
    frame(): Promise<void>;
    end(): void;
    fail(error: Error): void;
    readonly signal: AbortSignal;
  }[] = [];
  let obedient = true;
  const camera: Camera = {
    description: "a puppet",
    run: (deliver, signal) =>
      new Promise((resolve, reject) => {
        if (obedient) signal.addEventListener("abort", () => resolve(), { once: true });
        attempts.push({
          frame: () => deliver(plainFrame(++number, (released) => letGo.push(released))),
          end: resolve,
          fail: reject,
          signal,
        });
      }),
  };
  const letGo: number[] = [];
  return {
    camera,
    attempts,
    letGo,
    get last() {
      const attempt = attempts.at(-1);
      if (attempt === undefined) throw new Error("not started");
      return attempt;
    },
    disobey: () => {
      obedient = false;
    },
  };
}

let clock = handClock();
let camera = puppet();
let log = listeningLog();
let heard: string[] = [];
let supervisor: CameraSupervisor;
let stop = new AbortController();
let finished: Promise<"ended" | "stopped" | "abandoned">;

beforeEach(async () => {
  clock = handClock();
  camera = puppet();
  log = listeningLog();
  heard = [];
  stop = new AbortController();
  supervisor = superviseCamera({
    camera: camera.camera,
    deliver: async (frame) => frame.release(),
    clock,
    log,
    random: () => 0,
    onLost: (reason) => heard.push(`lost: ${reason}`),
    onRecovered: () => heard.push("recovered"),
  });
  finished = supervisor.run(stop.signal);
  await clock.advance(0);
});

async function frames(count: number, every = 100) {
  for (let index = 0; index < count; index++) {
    await camera.last.frame();
    await clock.advance(every);
  }
}

describe("the supervisor", () => {
  it("is starting until the first frame, then running with its rate", async () => {
    expect(supervisor.health()).toEqual({
      status: "starting",
      fps: 0,
      lastFrameAge: null,
      restarts: 0,
      lastError: null,
    });
    await frames(20);
    const health = supervisor.health();
    expect(health.status).toBe("running");
    expect(health.fps).toBeCloseTo(10);
    expect(health.lastFrameAge).toBeCloseTo(0.1);
  });

  it("gives the first frame 15 s and each later one 5 s", async () => {
    await clock.advance(14_999);
    expect(supervisor.health().status).toBe("starting");
    await frames(1, 4_999);
    expect(supervisor.health().status).toBe("running");
    await clock.advance(1);
    expect(supervisor.health()).toMatchObject({ status: "failed", fps: 0, lastError: "no frame for 5 s" });
    expect(heard).toEqual(["lost: no frame for 5 s"]);
  });

  it("lets the rate fall to 0 and tells of the loss before the camera has stopped", async () => {
    camera.last.signal.addEventListener("abort", () =>
      heard.push(`stopped at ${supervisor.health().fps} fps`),
    );
    await frames(20);
    await clock.advance(5_000);
    expect(heard).toEqual(["lost: no frame for 5 s", "stopped at 0 fps"]);
  });

  it("starts a camera that failed again, and says when it is back", async () => {
    await frames(3);
    camera.last.fail(new CameraError("the cable is out"));
    await clock.advance(0);
    expect(supervisor.health()).toMatchObject({ status: "failed", fps: 0, lastError: "the cable is out" });
    await clock.advance(999);
    expect(camera.attempts).toHaveLength(1);
    await clock.advance(1);
    expect(camera.attempts).toHaveLength(2);
    expect(supervisor.health()).toMatchObject({ status: "starting", restarts: 1 });
    await frames(1);
    expect(heard).toEqual(["lost: the cable is out", "recovered"]);
    expect(log.warnings).toEqual(["camera failed: the cable is out"]);
  });

  it("waits longer after each failure, up to a bound, and starts over when it ran well", async () => {
    const started: number[] = [];
    for (let failures = 0; failures < 8; failures++) {
      started.push(clock.now());
      camera.last.fail(new CameraError("gone"));
      const before = camera.attempts.length;
      while (camera.attempts.length === before) await clock.advance(100);
    }
    const waits = started.slice(1).map((at, index) => Math.round((at - (started[index] ?? 0)) / 1000));
    expect(waits).toEqual([1, 2, 4, 8, 16, 30, 30]);
    await frames(110);
    camera.last.fail(new CameraError("gone"));
    const before = camera.attempts.length;
    await clock.advance(1_000);
    expect(camera.attempts).toHaveLength(before + 1);
  });

  it("does not repeat itself in the log for ever", async () => {
    for (let failures = 0; failures < 64; failures++) {
      camera.last.fail(new CameraError("gone"));
      const before = camera.attempts.length;
      while (camera.attempts.length === before) await clock.advance(500);
    }
    expect(log.warnings).toHaveLength(7);
  });

  it("goes on without an attempt that does not stop, and releases its late frames", async () => {
    camera.disobey();
    camera.last.fail(new CameraError("gone"));
    await clock.advance(1_000);
    const stuck = camera.last;
    await frames(1, 0);
    await clock.advance(5_000 + 3_000);
    expect(supervisor.health().lastError).toBe("no frame for 5 s, and it could not be stopped");
    expect(log.warnings.at(-2)).toContain("did not stop within 3 s");
    camera.letGo.length = 0;
    await stuck.frame();
    expect(camera.letGo).toHaveLength(1);
    expect(supervisor.health().status).toBe("failed");
    await clock.advance(2_000);
    expect(camera.last).not.toBe(stuck);
  });

  it("resolves when the source ends, and when it is told to stop", async () => {
    await frames(2);
    camera.last.end();
    expect(await finished).toBe("ended");
    expect(camera.attempts).toHaveLength(1);
  });

  it("stops in any state", async () => {
    camera.last.fail(new CameraError("gone"));
    await clock.advance(100);
    stop.abort();
    expect(await finished).toBe("stopped");
    expect(camera.attempts).toHaveLength(1);
  });

  it("stops a running camera, without calling it lost", async () => {
    await frames(3);
    stop.abort();
    expect(await finished).toBe("stopped");
    expect(camera.last.signal.aborted).toBe(true);
    expect(heard).toEqual([]);
  });

  it("begins as at the start when it is run again after a stop, and knows no old failure", async () => {
    await frames(3);
    camera.last.fail(new CameraError("the cable is out"));
    await clock.advance(1_000);
    await frames(3);
    stop.abort();
    expect(await finished).toBe("stopped");
    expect(supervisor.health()).toMatchObject({ status: "starting", fps: 0, restarts: 1, lastError: null });
    await clock.advance(3_600_000);
    expect(camera.attempts).toHaveLength(2);
    stop = new AbortController();
    finished = supervisor.run(stop.signal);
    await frames(3);
    expect(camera.attempts).toHaveLength(3);
    expect(supervisor.health()).toMatchObject({ status: "running", restarts: 1, lastError: null });
    expect(heard).toEqual(["lost: the cable is out", "recovered"]);
    stop.abort();
    await finished;
  });

  it("says when it leaves a camera that may still be open, however long ago it was given up on", async () => {
    camera.disobey();
    // The attempt that disobeys is the next one.
    camera.last.fail(new CameraError("gone"));
    await clock.advance(1_000);
    await frames(1);
    stop.abort();
    await clock.advance(3_000);
    expect(await finished).toBe("abandoned");
    const stuck = camera.last;
    stop = new AbortController();
    finished = supervisor.run(stop.signal);
    await clock.advance(0);
    stuck.end();
    stop.abort();
    await clock.advance(0);
    camera.last.end();
    await clock.advance(0);
    expect(await finished).toBe("stopped");
  });

  it("keeps a camera with a fault of its own running, too", async () => {
    camera.last.fail(new TypeError("x is undefined"));
    await clock.advance(1_000);
    expect(supervisor.health()).toMatchObject({ lastError: "TypeError: x is undefined", restarts: 1 });
  });
});

it("does not take a pipeline that holds the camera back for a camera that stalls", async () => {
  const slot = createSlot({ lossless: true });
  const own = puppet();
  const slow = superviseCamera({ camera: own.camera, deliver: slot.put, clock });
  const running = slow.run(stop.signal);
  await clock.advance(0);
  void own.last.frame();
  await clock.advance(60_000);
  expect(slow.health().status).toBe("running");
  (await slot.take())?.release();
  await clock.advance(4_999);
  expect(slow.health().status).toBe("running");
  await clock.advance(1);
  expect(slow.health().lastError).toBe("no frame for 5 s");
  stop.abort();
  await running;
});

it("gives a slow camera three of its intervals", async () => {
  const own = puppet();
  const slow = superviseCamera({
    camera: { ...own.camera, interval: 10_000 },
    deliver: async (frame) => frame.release(),
    clock,
  });
  const running = slow.run(stop.signal);
  await clock.advance(29_999);
  expect(slow.health().status).toBe("starting");
  await own.last.frame();
  await clock.advance(29_999);
  expect(slow.health().status).toBe("running");
  await clock.advance(1);
  expect(slow.health().lastError).toBe("no frame for 30 s");
  stop.abort();
  await running;
});

it("keeps every pause between half of its bound and its bound", () => {
  const limits = { first: 1_000, cap: 30_000 };
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 100_000 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (failures, random) => {
        const full = Math.min(30_000, 1_000 * 2 ** Math.min(failures - 1, 20));
        const pause = backoffDelay(failures, limits, random);
        expect(pause).toBeGreaterThanOrEqual(full / 2);
        expect(pause).toBeLessThanOrEqual(full);
      },
    ),
  );
});
