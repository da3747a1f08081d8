import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { inflict } from "../../scripts/faults/inflict.js";
import type { ChildOrder } from "./support/child.js";
import { DURABLE_BROKER, startMosquitto } from "./support/mosquitto.js";
import { faultProxy } from "./support/proxy.js";
import { DURABLE, subscribe } from "./support/subscriber.js";

/** A kill may cost what was made within this time before it: `diskAfter` of the child, and the writing. */
const MAY_BE_LOST = 500;

interface Made {
  readonly boot: string;
  readonly seq: number;
  readonly at: number;
}

function launch(url: string, path: string, made: Made[]): ChildProcess {
  const order: ChildOrder = {
    settings: { url, outbox: { path, diskAfter: 0.1 } },
    period: 20,
    timing: { connectTimeout: 1000, ackTimeout: 1000, lateAfter: 300, backoff: { first: 50, cap: 300 } },
  };
  const child = spawn(
    process.execPath,
    ["--import", "tsx", join(import.meta.dirname, "support/child.ts"), JSON.stringify(order)],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  let rest = "";
  child.stdout?.on("data", (text: Buffer) => {
    const lines = (rest + text.toString()).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const [boot = "", seq, at] = line.split(" ");
      made.push({ boot, seq: Number(seq), at: Number(at) });
    }
  });
  return child;
}

const fault = fc.record({
  kind: fc.constantFrom(
    "broker-killed",
    "network-cut",
    "network-silent",
    "link-slow",
    "daemon-killed" as const,
  ),
  /** Also the process is killed, while the fault lasts. */
  andKilled: fc.boolean(),
  ms: fc.integer({ min: 50, max: 2500 }),
  calm: fc.integer({ min: 0, max: 1200 }),
});

describe("whatever happens to broker, network and process", () => {
  it("a subscriber with a session gets every event at least once, and in order", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fault, { minLength: 2, maxLength: 5 }), async (faults) => {
        const folder = mkdtempSync(join(tmpdir(), "emotiond-faults-"));
        const broker = await startMosquitto(DURABLE_BROKER);
        const proxy = await faultProxy(broker.port);
        const url = `mqtt://127.0.0.1:${proxy.port}`;
        const app = await subscribe(broker.url, "emotiond/+/event", DURABLE);
        const made: Made[] = [];
        const mayBeMissing = new Set<string>();
        let child = launch(url, join(folder, "outbox"), made);
        const kill = async () => {
          const at = Date.now();
          child.kill("SIGKILL");
          await once(child, "close");
          for (const one of made) {
            if (one.at > at - MAY_BE_LOST) mayBeMissing.add(`${one.boot} ${one.seq}`);
          }
          child = launch(url, join(folder, "outbox"), made);
        };
        try {
          while (made.length === 0) await sleep(20);
          for (const { andKilled, ...fault } of faults) {
            await sleep(fault.calm);
            await inflict(fault, { broker, proxy, killDaemon: kill }, andKilled ? kill : undefined);
          }
          // The last child must be there to hear SIGTERM.
          const before = made.length;
          while (made.length < before + 5) await sleep(20);
          child.kill("SIGTERM");
          await once(child, "close");
          expect(child.exitCode).toBe(0);
          const seen = new Set<string>();
          const greatest = new Map<string, number>();
          const keyOf = (one: { boot: string; seq: number }) => `${one.boot} ${one.seq}`;
          const must = made.filter((one) => !mayBeMissing.has(keyOf(one)));
          await app
            .until(() => {
              for (const { text } of app.received.splice(0)) {
                const event = JSON.parse(text) as { boot: string; seq: number };
                if (seen.has(keyOf(event))) continue;
                expect(event.seq).toBeGreaterThan(greatest.get(event.boot) ?? 0);
                greatest.set(event.boot, event.seq);
                seen.add(keyOf(event));
              }
              return must.every((one) => seen.has(keyOf(one)));
            }, 10_000)
            .catch(() => {
              const missing = must.filter((one) => !seen.has(keyOf(one)));
              throw new Error(
                `missing ${missing.length} of ${must.length}: ${missing.slice(0, 5).map(keyOf).join(", ")}`,
              );
            });
        } finally {
          child.kill("SIGKILL");
          await app.end();
          await proxy.close();
          await broker.stop();
          rmSync(folder, { recursive: true, force: true });
        }
      }),
      { numRuns: Number(process.env.FAULT_RUNS ?? 1), endOnFailure: true },
    );
  }, 3_600_000);
});
