import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { layLink } from "../../../scripts/test-support/link.js";
import { startMosquitto } from "../../../scripts/test-support/mosquitto.js";
import { DURABLE, subscribe, waitFor } from "../../../scripts/test-support/subscriber.js";
import { authority } from "./certificates.js";
import type { ChildOrder } from "./child.js";

/**
 * Runs inside a network namespace of its own: mosquitto here, publishers at the other end of a link. For some
 * milliseconds at a time the router passes nothing on (`route`), or the publishers' cable is pulled out (`cable`). argv:
 * JSON of CutOrder.
 */
export interface CutOrder {
  readonly cuts: readonly { readonly what: "route" | "cable"; readonly ms: number }[];
  /** Default: the product's. */
  readonly timing?: ChildOrder["timing"];
}

const { cuts, timing } = JSON.parse(process.argv[2] ?? "") as CutOrder;
const PROTOCOLS = ["mqtt", "mqtts", "ws", "wss"] as const;
const PORTS = { mqtt: 1884, mqtts: 8884, ws: 9884, wss: 9885 };

export interface CutResult {
  readonly protocol: string;
  readonly made: number;
  readonly missing: number;
  readonly replayed: number;
  /** The greatest age at which one came that does not say `replayed`, in milliseconds. */
  readonly stalestFresh: number;
}

const link = await layLink();
const HERE = link.brokerHost;

const folder = mkdtempSync(join(tmpdir(), "emotiond-cut-"));
const ca = authority(folder, "ours");
const { cert, key } = ca.issue(HERE);
const tls = [`certfile ${cert}`, `keyfile ${key}`];
const broker = await startMosquitto([
  "allow_anonymous true",
  "max_inflight_messages 0",
  `listener ${PORTS.mqtt} ${HERE}`,
  ...[`listener ${PORTS.mqtts} ${HERE}`, ...tls],
  ...[`listener ${PORTS.ws}`, "protocol websockets"],
  ...[`listener ${PORTS.wss}`, "protocol websockets", ...tls],
]);
const app = await subscribe(broker.url, "+/+/event", DURABLE);
const arrivals: { at: number; topic: string; text: string }[] = [];
app.client.on("message", (topic, payload) => {
  arrivals.push({ at: Date.now(), topic, text: payload.toString() });
});

const publishers = PROTOCOLS.map((protocol) => {
  const order: ChildOrder = {
    settings: {
      url: `${protocol}://${HERE}:${PORTS[protocol]}`,
      baseTopic: protocol,
      ...(protocol === "mqtts" || protocol === "wss" ? { ca: ca.cert } : {}),
    },
    period: 100,
    ...(timing === undefined ? {} : { timing }),
  };
  const [program, ...args] = link.runner;
  const child = spawn(
    program,
    [
      ...[...args, process.execPath, "--import", "tsx", join(import.meta.dirname, "child.ts")],
      JSON.stringify(order),
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  let made = "";
  child.stdout?.on("data", (text: Buffer) => {
    made += text.toString();
  });
  return { protocol, child, exited: once(child, "exit"), made: () => made.trim().split("\n").length };
});
/** Each protocol's publisher has delivered something that was made a moment ago. */
const allDeliver = () =>
  waitFor(() => {
    const recent = arrivals.filter(({ at }) => at > Date.now() - 500);
    return PROTOCOLS.every((protocol) =>
      recent.some(({ topic, text }) => topic.startsWith(`${protocol}/`) && !JSON.parse(text).replayed),
    );
  }, 60_000);

await allDeliver();
for (const { what, ms } of cuts) {
  await sleep(1000);
  if (what === "route") link.dropPackets();
  else link.pullCable();
  await sleep(ms);
  link.heal();
  await allDeliver();
}
for (const { child } of publishers) child.kill("SIGTERM");
for (const { exited } of publishers) await exited;
await sleep(500);

const results = publishers.map(({ protocol, made }): CutResult => {
  const came = arrivals.filter(({ topic }) => topic.startsWith(`${protocol}/`));
  const events = came.map(({ at, text }) => ({ at, event: JSON.parse(text) }));
  const fresh = events.filter(({ event }) => !event.replayed);
  return {
    protocol,
    made: made(),
    missing: made() - new Set(events.map(({ event }) => event.seq)).size,
    replayed: events.length - fresh.length,
    stalestFresh: Math.max(...fresh.map(({ at, event }) => at - Date.parse(event.time))),
  };
});
process.stdout.write(JSON.stringify(results));
link.close();
await app.end();
await broker.stop();
process.exit(0);
