import { describe, expect, it } from "vitest";
import { type Clock, createCollapser } from "../../src/base/collapse.js";

function handClock(): Clock & { advance(ms: number): void } {
  let time = 0;
  let pending: { at: number; run: () => void }[] = [];
  return {
    now: () => time,
    after: (ms, run) => void pending.push({ at: time + ms, run }),
    advance(ms) {
      time += ms;
      const due = pending.filter(({ at }) => at <= time);
      pending = pending.filter(({ at }) => at > time);
      for (const { run } of due) run();
    },
  };
}

describe("a flood of one message", () => {
  it("becomes one line a period, and the counts add up", () => {
    const clock = handClock();
    const collapser = createCollapser({ clock });
    const lines: number[] = [];
    for (let i = 0; i < 300; i++) {
      collapser.offer("frame dropped", (times) => lines.push(times));
      clock.advance(10);
    }
    collapser.flush();
    expect(lines.length).toBeLessThanOrEqual(5);
    expect(lines.reduce((sum, times) => sum + times, 0)).toBe(300);
  });

  it("writes the first at once and what followed when the period ends, with the newest call's figures", () => {
    const clock = handClock();
    const collapser = createCollapser({ clock });
    const lines: string[] = [];
    collapser.offer("a", (times) => lines.push(`first ${times}`));
    collapser.offer("a", (times) => lines.push(`second ${times}`));
    collapser.offer("a", (times) => lines.push(`third ${times}`));
    expect(lines).toEqual(["first 1"]);
    clock.advance(1000);
    expect(lines).toEqual(["first 1", "third 2"]);
  });

  it("keeps different messages apart", () => {
    const collapser = createCollapser({ clock: handClock() });
    const lines: string[] = [];
    for (const key of ["a", "b", "a"]) collapser.offer(key, () => lines.push(key));
    expect(lines).toEqual(["a", "b"]);
  });

  it("forgets a message that stopped coming", () => {
    const clock = handClock();
    const collapser = createCollapser({ clock });
    let written = 0;
    collapser.offer("a", () => written++);
    clock.advance(1000);
    clock.advance(1000);
    collapser.offer("a", () => written++);
    expect(written).toBe(2);
  });
});

it("holds no more than maxKeys messages, and loses no count when one has to go", () => {
  const collapser = createCollapser({ clock: handClock(), maxKeys: 3 });
  let total = 0;
  for (let i = 0; i < 10; i++) {
    for (let again = 0; again < 2; again++) collapser.offer(`key ${i}`, (times) => (total += times));
  }
  collapser.flush();
  expect(total).toBe(20);
});

describe("a flood of different messages", () => {
  it("is bounded in lines, and the counts add up", () => {
    const clock = handClock();
    const collapser = createCollapser({ clock, maxKeys: 5 });
    const lines: number[] = [];
    for (let i = 0; i < 5000; i++) {
      collapser.offer(`message ${i}`, (times) => lines.push(times));
      clock.advance(1);
    }
    collapser.flush();
    expect(lines.reduce((sum, times) => sum + times, 0)).toBe(5000);
    // In each of five seconds a line for each place, and one for the rest; the first and the last are cut off.
    expect(lines.length).toBeLessThanOrEqual(6 * 6);
  });

  it("hides no message of another kind, and none that had its place", () => {
    const clock = handClock();
    const collapser = createCollapser({ clock, maxKeys: 2 });
    const lines: string[] = [];
    const offer = (key: string, kind: string) => collapser.offer(key, () => lines.push(key), kind);
    offer("camera is running", "info");
    for (let i = 0; i < 10; i++) offer(`chatter ${i}`, "info");
    offer("camera failed", "error");
    offer("camera is running", "info");
    expect(lines).toEqual(["camera is running", "chatter 0", "chatter 1", "camera failed"]);
    clock.advance(1000);
    expect(lines.slice(4).sort()).toEqual(["camera is running", "chatter 9"]);
  });
});
