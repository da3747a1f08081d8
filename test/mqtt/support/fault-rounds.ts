import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { inflict } from "../../../scripts/faults/inflict.js";
import {
  brokerBehind,
  type FaultNetwork,
  type NetworkWay,
} from "../../../scripts/test-support/fault-network.js";
import { DURABLE_BROKER } from "../../../scripts/test-support/mosquitto.js";
import { DURABLE, subscribe } from "../../../scripts/test-support/subscriber.js";
import type { ChildOrder } from "./child.js";

/**
 * Whatever happens to broker, network and process, a subscriber with a session gets every event at least once, and in
 * order. Ends with an error that names the counterexample where that is not so; else prints JSON of RoundsResult. argv:
 * JSON of RoundsOrder. For `link`, it must run in a network of its own: see `ownNetwork`.
 */
export interface RoundsOrder {
  readonly way: NetworkWay;
  readonly runs: number;
}

export interface RoundsResult {
  readonly way: NetworkWay;
  readonly faults: number;
  readonly events: number;
}

/** A kill may cost what was made within this time before it: `diskAfter` of the child, and the writing. */
const MAY_BE_LOST = 500;

/** What a round makes at the least, however short its faults. */
const LEAST_EVENTS = 50;

interface Made {
  readonly boot: string;
  readonly seq: number;
  readonly at: number;
}

function launch(network: FaultNetwork, path: string, made: Made[]): ChildProcess {
  const order: ChildOrder = {
    settings: {
      url: `mqtt://${network.brokerHost}:${network.brokerPort}`,
      outbox: { path, diskAfter: 0.1 },
    },
    period: 20,
    timing: { connectTimeout: 1000, ackTimeout: 1000, lateAfter: 300, backoff: { first: 50, cap: 300 } },
  };
  const [program = process.execPath, ...args] = [
    ...network.runner,
    ...[process.execPath, "--import", "tsx", join(import.meta.dirname, "child.ts"), JSON.stringify(order)],
  ];
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
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
type PropertyFault = typeof fault extends fc.Arbitrary<infer T> ? T : never;

const keyOf = (one: { readonly boot: string; readonly seq: number }) => `${one.boot} ${one.seq}`;

/** One sequence of faults; returns how many events were made. */
async function round(way: NetworkWay, faults: readonly PropertyFault[]): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "emotiond-faults-"));
  const outbox = join(folder, "outbox");
  const { broker, network } = await brokerBehind(way, DURABLE_BROKER);
  const app = await subscribe(broker.url, "emotiond/+/event", DURABLE);
  const made: Made[] = [];
  const mayBeMissing = new Set<string>();
  let child = launch(network, outbox, made);
  const kill = async () => {
    const at = Date.now();
    child.kill("SIGKILL");
    await once(child, "close");
    for (const one of made) if (one.at > at - MAY_BE_LOST) mayBeMissing.add(keyOf(one));
    child = launch(network, outbox, made);
  };
  try {
    while (made.length === 0) await sleep(20);
    for (const { andKilled, ...one } of faults) {
      await sleep(one.calm);
      await inflict(one, { broker, network, killDaemon: kill }, andKilled ? kill : undefined);
    }
    // The last child must be there to hear SIGTERM, and a round of short faults must have something to lose.
    const enough = Math.max(made.length + 5, LEAST_EVENTS);
    while (made.length < enough) await sleep(20);
    child.kill("SIGTERM");
    await once(child, "close");
    if (child.exitCode !== 0) throw new Error(`the publisher ended with ${child.exitCode}`);
    const seen = new Set<string>();
    const greatest = new Map<string, number>();
    const must = made.filter((one) => !mayBeMissing.has(keyOf(one)));
    const missing = () => must.filter((one) => !seen.has(keyOf(one)));
    await app
      .until(() => {
        for (const { text } of app.received.splice(0)) {
          const event = JSON.parse(text) as { boot: string; seq: number };
          if (seen.has(keyOf(event))) continue;
          const last = greatest.get(event.boot) ?? 0;
          if (event.seq < last) throw new Error(`out of order: ${keyOf(event)} after ${last}`);
          greatest.set(event.boot, event.seq);
          seen.add(keyOf(event));
        }
        return missing().length === 0;
      }, 10_000)
      .catch((error: unknown) => {
        const lost = missing();
        if (lost.length === 0) throw error;
        throw new Error(
          `missing ${lost.length} of ${must.length}: ${lost.slice(0, 5).map(keyOf).join(", ")}`,
        );
      });
    return made.length;
  } finally {
    child.kill("SIGKILL");
    await app.end();
    await network.close();
    await broker.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

const { way, runs } = JSON.parse(process.argv[2] ?? "") as RoundsOrder;
let [faultsDone, events] = [0, 0];
await fc.assert(
  fc.asyncProperty(fc.array(fault, { minLength: 2, maxLength: 5 }), async (faults) => {
    events += await round(way, faults);
    faultsDone += faults.length;
  }),
  { numRuns: runs, endOnFailure: true },
);
process.stdout.write(JSON.stringify({ way, faults: faultsDone, events } satisfies RoundsResult));
process.exit(0);
