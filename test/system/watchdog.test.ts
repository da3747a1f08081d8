import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createLogger } from "../../src/base/log.js";
import { type Progress, startWatchdog, watchdogInterval } from "../../src/system/watchdog.js";

const logger = createLogger("fatal", { write() {} });

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function watched(progress: () => Progress) {
  const watchdog = vi.fn();
  const { stop } = startWatchdog({ notifier: { watchdog }, intervalMs: 1000, progress, logger });
  return { watchdog, stop };
}

describe("the watchdog", () => {
  it("pats while frames go through", () => {
    let frames = 0;
    const { watchdog } = watched(() => ++frames);
    vi.advanceTimersByTime(5000);
    expect(watchdog).toHaveBeenCalledTimes(5);
  });

  it("falls silent when the pipeline hangs, and pats again when it goes on", () => {
    let frames = 7;
    const { watchdog } = watched(() => frames);
    vi.advanceTimersByTime(5000);
    expect(watchdog).toHaveBeenCalledTimes(1);
    frames += 1;
    vi.advanceTimersByTime(1000);
    expect(watchdog).toHaveBeenCalledTimes(2);
  });

  it("takes a camera that is known to be away for no hang", () => {
    const { watchdog } = watched(() => "idle-ok");
    vi.advanceTimersByTime(5000);
    expect(watchdog).toHaveBeenCalledTimes(5);
  });

  it("stops", () => {
    const { watchdog, stop } = watched(() => "idle-ok");
    stop();
    vi.advanceTimersByTime(5000);
    expect(watchdog).not.toHaveBeenCalled();
  });
});

describe("systemd's wish", () => {
  it.each([
    [{}, undefined],
    [{ WATCHDOG_USEC: "0" }, undefined],
    [{ WATCHDOG_USEC: "soon" }, undefined],
    [{ WATCHDOG_USEC: "30000000" }, 15_000],
    [{ WATCHDOG_USEC: "30000000", WATCHDOG_PID: "42" }, 15_000],
    [{ WATCHDOG_USEC: "30000000", WATCHDOG_PID: "41" }, undefined],
  ])("%j is every %s ms", (env, expected) => {
    expect(watchdogInterval(env, 42)).toBe(expected);
  });
});
