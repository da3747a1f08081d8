import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Frame } from "../../src/camera/frame.js";
import { createSlot } from "../../src/camera/slot.js";
import { plainFrame } from "./helpers.js";

/** What camera and pipeline do, in any order; a `take` before its frame waits for it. */
const steps = fc.array(fc.constantFrom("put" as const, "take" as const), { maxLength: 60 });

describe("the slot between camera and pipeline", () => {
  it("hands over the newest frame, releases the others once each, and counts them", async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (sequence) => {
        const slot = createSlot();
        const released: number[] = [];
        const taken: number[] = [];
        let put = 0;
        let taking = false;
        const took = (frame: Frame | null) => {
          taking = false;
          if (frame !== null) taken.push(frame.number);
        };
        for (const step of sequence) {
          if (step === "put") {
            await slot.put(plainFrame(++put, (number) => released.push(number)));
          } else if (!taking) {
            taking = true;
            void slot.take().then(took);
          }
          await Promise.resolve();
          // A taker that waited has the frame at once, or has the newest.
          if (step === "take" && !taking && put > 0) expect(taken.at(-1)).toBeLessThanOrEqual(put);
        }
        slot.discard();
        await Promise.resolve();
        expect([...taken, ...released].sort((a, b) => a - b)).toEqual(
          Array.from({ length: put }, (_, i) => i + 1),
        );
        expect(taken).toEqual([...taken].sort((a, b) => a - b));
        const waiting = put - taken.length - slot.dropped;
        expect(waiting).toBeGreaterThanOrEqual(0);
        expect(waiting).toBeLessThanOrEqual(1);
      }),
    );
  });

  it("loses no frame when it is lossless", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(3), { minLength: 1, maxLength: 30 }), async (waits) => {
        const slot = createSlot({ lossless: true });
        const camera = (async () => {
          for (const index of waits.keys()) await slot.put(plainFrame(index + 1));
          slot.close();
        })();
        const taken: number[] = [];
        for (let frame = await slot.take(); frame !== null; frame = await slot.take()) {
          taken.push(frame.number);
          for (let wait = waits[taken.length - 1] ?? 0; wait > 0; wait--) await Promise.resolve();
        }
        await camera;
        expect(taken).toEqual(waits.map((_, index) => index + 1));
        expect(slot.dropped).toBe(0);
      }),
    );
  });

  it("holds a lossless camera back until its frame was taken", async () => {
    const slot = createSlot({ lossless: true });
    let through = false;
    const put = slot.put(plainFrame(1)).then(() => {
      through = true;
    });
    await new Promise(setImmediate);
    expect(through).toBe(false);
    expect((await slot.take())?.number).toBe(1);
    await put;
  });

  it("lets the last frame be taken after it closed", async () => {
    const slot = createSlot();
    await slot.put(plainFrame(1));
    slot.close();
    expect((await slot.take())?.number).toBe(1);
    expect(await slot.take()).toBeNull();
  });

  it("releases what comes after it closed, and what waits when it is discarded", async () => {
    const released: number[] = [];
    const slot = createSlot({ lossless: true });
    const put = slot.put(plainFrame(1, (number) => released.push(number)));
    slot.discard();
    await put;
    await slot.put(plainFrame(2, (number) => released.push(number)));
    expect(released).toEqual([1, 2]);
  });

  it("gives a taker up when its signal aborts, and keeps the next frame for the next", async () => {
    const slot = createSlot();
    const stop = new AbortController();
    const taking = slot.take(stop.signal);
    await expect(slot.take()).rejects.toThrow("taker");
    stop.abort();
    expect(await taking).toBeNull();
    expect(await slot.take(stop.signal)).toBeNull();
    await slot.put(plainFrame(1));
    expect((await slot.take())?.number).toBe(1);
  });
});
