import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { runTwoStages } from "../../src/two-stages.js";

/** Numbers through two stages that take so many milliseconds each; what happened, in order. */
function run(count: number, times: { first: number; second: number }, failAt?: string) {
  const log: string[] = [];
  let taken = 0;
  let held = 0;
  let mostHeld = 0;
  const stage = async (name: string, milliseconds: number): Promise<void> => {
    log.push(`${name}<`);
    await sleep(milliseconds);
    if (name === failAt) throw new Error(`${name} failed`);
    log.push(`${name}>`);
  };
  const running = runTwoStages<number, string>({
    take: async () => {
      if (taken === count) return null;
      taken += 1;
      held += 1;
      mostHeld = Math.max(mostHeld, held);
      return taken;
    },
    first: async (item) => {
      await stage(`a${item}`, times.first);
      return `half of ${item}`;
    },
    second: async (item, half) => {
      expect(half).toBe(`half of ${item}`);
      await stage(`b${item}`, times.second);
    },
    release: (item) => {
      held -= 1;
      log.push(`-${item}`);
    },
  });
  return { running, log, mostHeld: () => mostHeld, held: () => held };
}

describe("work in two stages", () => {
  it("takes the next item while the second stage is still at the last, and keeps the order", async () => {
    const { running, log, mostHeld, held } = run(5, { first: 5, second: 12 });
    await running.finished;
    expect(log.filter((entry) => /^b\d>/.test(entry))).toEqual(["b1>", "b2>", "b3>", "b4>", "b5>"]);
    expect(log.indexOf("a2<")).toBeLessThan(log.indexOf("b1>"));
    expect(log.indexOf("a2>")).toBeLessThan(log.indexOf("b1>"));
    expect(mostHeld()).toBe(2);
    expect(held()).toBe(0);
  });

  it("runs one item at a time in each stage", async () => {
    for (const times of [
      { first: 8, second: 1 },
      { first: 1, second: 8 },
    ]) {
      const { running, log } = run(6, times);
      await running.finished;
      for (const stage of ["a", "b"]) {
        const own = log.filter((entry) => entry.startsWith(stage));
        expect(own).toEqual([1, 2, 3, 4, 5, 6].flatMap((item) => [`${stage}${item}<`, `${stage}${item}>`]));
      }
    }
  });

  it("does not take a third item before the first is done with", async () => {
    const { running, log } = run(4, { first: 1, second: 20 });
    await running.finished;
    expect(log.indexOf("a3<")).toBeGreaterThan(log.indexOf("b1>"));
  });

  it.each(["a1", "a3", "b1", "b3"])("ends with the error of %s, all items released once", async (failing) => {
    const { running, log, held } = run(6, { first: 4, second: 6 }, failing);
    await expect(running.finished).rejects.toThrow(`${failing} failed`);
    expect(held()).toBe(0);
    const released = log.filter((entry) => entry.startsWith("-"));
    expect(new Set(released).size).toBe(released.length);
    // Nothing goes on behind the back of who waits for the end.
    const after = log.length;
    await sleep(20);
    expect(log.length).toBe(after);
    expect(log).not.toContain(`b${Number(failing[1]) + 1}<`);
  });

  it("says when what is under way has been through both stages", async () => {
    const { running, log } = run(50, { first: 2, second: 4 });
    await sleep(15);
    const underWay = [...log].reverse().find((entry) => entry.startsWith("a"))?.[1] ?? "";
    await running.settled();
    expect(log.some((entry) => entry.startsWith(`b${underWay}`))).toBe(true);
    expect(log.filter((entry) => entry.startsWith("b")).length).toBeLessThan(100);
    await running.finished;
  });
});
