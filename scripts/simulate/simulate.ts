import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import mqtt from "mqtt";
import { startMosquitto } from "../test-support/mosquitto.js";
import type { FromGroup, ToGroup } from "./group.js";
import { createLedger } from "./ledger.js";

/**
 * Many devices at one broker: the daemon's own lifecycle and MQTT client, without cameras.
 *
 *     npx tsx scripts/simulate/simulate.ts --devices 1000 --seconds 60 [--kill-broker] [--json]
 */
const { values } = parseArgs({
  options: {
    devices: { type: "string", default: "1000" },
    seconds: { type: "string", default: "60" },
    rate: { type: "string", default: "2" },
    update: { type: "string", default: "2" },
    groups: { type: "string", default: "2" },
    "kill-broker": { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});
const devices = Number(values.devices);
const seconds = Number(values.seconds);
const groups = Number(values.groups);

const broker = await startMosquitto([
  "allow_anonymous true",
  // What mosquitto has acknowledged and only queued dies with it: without a limit nothing is queued for a
  // subscriber that is there.
  "max_inflight_messages 0",
  "persistence true",
  "persistence_location $FOLDER/",
  "autosave_interval 1",
]);
const ledger = createLedger();
const subscriber = mqtt.connect(broker.url, {
  protocolVersion: 5,
  clientId: "simulation",
  clean: false,
  reconnectPeriod: 100,
  properties: { sessionExpiryInterval: 3600, receiveMaximum: 65_535 },
});
let lastAt = 0;
subscriber.on("message", (_topic, payload) => {
  lastAt = performance.now();
  ledger.received(JSON.parse(payload.toString()), Date.now());
});
await new Promise((resolve) => subscriber.once("connect", resolve));
await subscriber.subscribeAsync("emotiond/+/event", { qos: 1 });

const children: ChildProcess[] = [];
const connected = new Map<ChildProcess, number>();
const made = new Map<string, number>();
let left = 0;
let dropped = 0;
const finished: Promise<void>[] = [];
for (let i = 0; i < groups; i++) {
  const first = Math.floor((devices * i) / groups);
  const child = fork(join(import.meta.dirname, "group.ts"), { execArgv: ["--import", "tsx"] });
  children.push(child);
  finished.push(
    new Promise((resolve) => {
      child.on("message", (message: FromGroup) => {
        if ("connected" in message) connected.set(child, message.connected);
        else {
          for (const [boot, last] of message.made) made.set(boot, last);
          left += message.left;
          dropped += message.dropped;
          resolve();
        }
      });
    }),
  );
  const order: ToGroup = {
    order: {
      url: broker.url,
      first,
      count: Math.floor((devices * (i + 1)) / groups) - first,
      rate: Number(values.rate),
      updateInterval: Number(values.update),
    },
  };
  child.send(order);
}

const say = (line: string) => {
  if (!values.json) process.stderr.write(`${line}\n`);
};
const online = () => [...connected.values()].reduce((sum, one) => sum + one, 0);
while (online() < devices) await sleep(200);
say(`${devices} devices are connected`);
const begun = performance.now();
let outage: { downMs: number; allBackMs: number } | null = null;
if (values["kill-broker"]) {
  await sleep((seconds * 1000) / 2);
  say("the broker is killed (SIGKILL), and started again after 3 s");
  await broker.kill();
  const killedAt = performance.now();
  await sleep(3000);
  await broker.restart();
  const upAt = performance.now();
  await sleep(1500);
  while (online() < devices) await sleep(200);
  outage = { downMs: Math.round(upAt - killedAt), allBackMs: Math.round(performance.now() - upAt) };
  say(`all devices are back ${outage.allBackMs} ms after the broker`);
}
await sleep(Math.max(0, seconds * 1000 - (performance.now() - begun)));
const elapsed = (performance.now() - begun) / 1000;
for (const child of children) child.send({ stop: 20_000 } satisfies ToGroup);
await Promise.all(finished);
while (performance.now() - lastAt < 1500) await sleep(100);
await subscriber.endAsync(true);
await broker.stop();

const report = ledger.report(made);
const figures = {
  devices,
  seconds: Math.round(elapsed),
  eventsPerSecond: Math.round(report.made / elapsed),
  ...report,
  leftAtDevices: left,
  droppedAtDevices: dropped,
  outage,
};
process.stdout.write(values.json ? `${JSON.stringify(figures)}\n` : `${JSON.stringify(figures, null, 2)}\n`);
process.exitCode = report.missing === 0 ? 0 : 1;
