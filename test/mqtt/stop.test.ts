import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DURABLE_BROKER, startMosquitto } from "../../scripts/test-support/mosquitto.js";
import { faultProxy } from "../../scripts/test-support/proxy.js";
import { DURABLE, subscribe, waitFor } from "../../scripts/test-support/subscriber.js";
import { publisherOf, sampleEvent, sampleState } from "./support/samples.js";

const STOP_WITHIN = 1200;
/** Milliseconds that a busy machine may take on top. */
const SLACK = 1000;

const life = fc.record({
  network: fc.constantFrom("open", "open", "cut", "silent"),
  /** How long it lives before it is stopped, and how much later the network is well again. */
  ms: fc.integer({ min: 0, max: 400 }),
  healAfter: fc.option(fc.integer({ min: 0, max: 300 })),
});

describe("a clean stop", () => {
  it("whenever it comes, is in time, loses nothing, and leaves the device offline", async () => {
    const broker = await startMosquitto(DURABLE_BROKER);
    const proxy = await faultProxy(broker.port);
    const app = await subscribe(broker.url, "emotiond/#", DURABLE);
    const folder = mkdtempSync(join(tmpdir(), "emotiond-stop-"));
    let round = 0;
    try {
      await fc.assert(
        fc.asyncProperty(fc.array(life, { minLength: 2, maxLength: 4 }), async (lives) => {
          round += 1;
          const device = `device-${round}`;
          const outbox = { path: join(folder, device), diskAfter: 0.1 };
          const start = () => {
            const url = `mqtt://127.0.0.1:${proxy.port}`;
            const { publisher } = publisherOf({ url, outbox }, { device });
            publisher.start();
            return publisher;
          };
          let seq = 0;
          for (const { network, ms, healAfter } of lives) {
            if (network === "cut") proxy.cut();
            if (network === "silent") proxy.stall();
            const publisher = start();
            for (const end = performance.now() + ms; performance.now() < end; await sleep(10)) {
              seq += 1;
              publisher.event(sampleEvent(seq, { device }));
              publisher.state(sampleState(1));
            }
            const begun = performance.now();
            const stopped = publisher.stop(STOP_WITHIN);
            if (healAfter !== null) await sleep(healAfter).then(() => proxy.heal());
            await stopped;
            expect(performance.now() - begun).toBeLessThan(STOP_WITHIN + SLACK);
            proxy.heal();
          }
          const last = start();
          const has = (topic: string) =>
            app.received.filter((one) => one.topic === `emotiond/${device}/${topic}`);
          const seen = () => [...new Set(has("event").map(({ text }) => JSON.parse(text).seq as number))];
          await waitFor(() => seen().length === seq && last.stats().connected);
          await last.stop(STOP_WITHIN);
          await waitFor(() => has("availability").at(-1)?.text === "offline");
          expect(seen()).toEqual(Array.from({ length: seq }, (_, i) => i + 1));
        }),
        { numRuns: Number(process.env.STOP_RUNS ?? 4) },
      );
    } finally {
      await app.end();
      await proxy.close();
      await broker.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  }, 600_000);
});
