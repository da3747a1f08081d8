import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fifo } from "../../src/mqtt/fifo.js";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant("push" as const), n: fc.nat({ max: 50 }) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("shift" as const), n: fc.nat({ max: 50 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("unshift" as const), n: fc.nat({ max: 20 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("splice" as const), n: fc.nat({ max: 40 }) }) },
);

describe("a queue", () => {
  it("does what an array does", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
        const queue = fifo<number>();
        let model: number[] = [];
        let next = 0;
        for (const { do: what, n } of steps) {
          if (what === "unshift") {
            const more = Array.from({ length: n }, () => next++);
            queue.unshift(more);
            model = [...more, ...model];
          } else if (what === "splice") expect(queue.splice(n)).toEqual(model.splice(n));
          else {
            for (let i = 0; i < n; i++) {
              if (what === "push") {
                queue.push(next);
                model.push(next++);
              } else expect(queue.shift()).toBe(model.shift());
            }
          }
          expect(queue.length()).toBe(model.length);
          expect(queue.peek()).toBe(model[0]);
        }
        expect(queue.items()).toEqual(model);
      }),
    );
  });

  it("holds on to nothing that was taken out of it", async () => {
    const queue = fifo<object>();
    const taken: WeakRef<object>[] = [];
    for (let i = 0; i < 1000; i++) queue.push({ i });
    for (let i = 0; i < 500; i++) {
      const item = queue.shift();
      if (item !== undefined) taken.push(new WeakRef(item));
    }
    // A WeakRef holds what it refers to until the end of the turn.
    await sleep(1);
    collectGarbage();
    expect(taken.filter((one) => one.deref() !== undefined).length).toBeLessThan(5);
    expect(queue.length()).toBe(500);
  });
});
