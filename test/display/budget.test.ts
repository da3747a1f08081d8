import { describe, expect, it } from "vitest";
import { createBudget, parseStat, pictureInterval } from "../../src/display/budget.js";

describe("pictureInterval", () => {
  it("gives an idle machine thirty pictures a second", () => {
    expect(pictureInterval(3, 0.9, 4)).toBeLessThan(34);
  });

  it("takes at most six hundredths of a busy one", () => {
    const interval = pictureInterval(3, 0, 2);
    expect((3 * 3.5) / (interval * 2)).toBeCloseTo(0.06);
  });

  it("shows fewer pictures the less is idle", () => {
    const intervals = [0.9, 0.6, 0.45, 0.3, 0].map((idle) => pictureInterval(12, idle, 4));
    expect(intervals).toEqual([...intervals].sort((a, b) => a - b));
  });

  it("shows four a second on any machine", () => {
    expect(pictureInterval(500, 0, 1)).toBe(250);
  });
});

describe("createBudget", () => {
  const stat = (busy: number, idle: number) =>
    `cpu  ${busy} 0 0 ${idle} 0 0 0 0 0 0\ncpu0 1 2 3 4 5 6 7 8 9 10\n`;

  it("follows the machine, a second behind, and one slow picture hardly", () => {
    let time = 0;
    let text = stat(1000, 1000);
    const budget = createBudget({ readStat: () => text, now: () => time, processors: 2 });
    const busy = budget.spend(3);
    text = stat(1000, 1200);
    expect(budget.spend(3)).toBe(busy);
    time = 1001;
    const idle = budget.spend(3);
    expect(idle).toBeLessThan(busy / 2);
    expect(budget.spend(30)).toBeLessThan(idle * 1.1);
  });

  it("counts a machine that hides its times as busy", () => {
    const budget = createBudget({
      readStat: () => {
        throw new Error("EACCES");
      },
      processors: 4,
    });
    expect(budget.spend(3)).toBe(pictureInterval(3, 0, 4));
    expect(parseStat("nothing of the kind")).toBeUndefined();
  });
});
