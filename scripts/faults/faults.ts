import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { createWriteStream, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { stringify } from "yaml";
import { type EmotionEvent, eventSchema } from "../../src/events/schema.js";
import { MQTT_TIMING } from "../../src/mqtt/client.js";
import { brokerBehind, type NetworkWay } from "../test-support/fault-network.js";
import { DURABLE_BROKER, freePort } from "../test-support/mosquitto.js";
import { ownNetwork } from "../test-support/own-network.js";
import { DURABLE, subscribe } from "../test-support/subscriber.js";
import { inflict } from "./inflict.js";
import { type FaultKind, planFaults } from "./plan.js";
import { seeded } from "./seeded.js";
import { smallDisk } from "./small-disk.js";
import { standInCamera } from "./stand-in.js";
import { episodesOf, judge, type Life } from "./verdict.js";
import { startWatchedDaemon, type WatchedDaemon } from "./watched-daemon.js";

/**
 * The real daemon (built: dist/), a real mosquitto, and faults between and around them; at the end, what the camera
 * showed is compared with what a subscriber holds.
 *
 *     npx tsx scripts/faults/faults.ts --faults 200 --seed 1 [--network link|proxy]
 *
 * Between daemon and broker there is a link of network namespaces, in which packets get lost without a word. Where a
 * program may not have a network of its own, which takes root or user namespaces, it is a proxy on loopback, and the
 * result says so. The full disk is a small file system of its own in the same way; the clock takes libfaketime.
 */
const { values } = parseArgs({
  options: {
    faults: { type: "string", default: "200" },
    seed: { type: "string", default: "1" },
    framerate: { type: "string", default: "5" },
    /** Default: `link` where it is possible. */
    network: { type: "string" },
    /** Set when the program has started itself again, in a network of its own. */
    inside: { type: "boolean", default: false },
    keep: { type: "boolean", default: false },
  },
});
const [WIDTH, HEIGHT] = [640, 480];
const [SHOWN, PERIOD] = [4000, 7000];
const HOUR = 3_600_000;

const say = (line: string) => process.stderr.write(`${line}\n`);
const way = values.inside ? "link" : chooseWay(values.network);
const folder = mkdtempSync(join(tmpdir(), "emotiond-faults-"));
const file = (name: string) => join(folder, name);

const camera = standInCamera({ folder, width: WIDTH, height: HEIGHT, shown: SHOWN, period: PERIOD });
const disk = smallDisk(file("disk"));
writeFileSync(file("clock"), "+0");
const faketime = ["/usr/lib/x86_64-linux-gnu/faketime", "/usr/lib/aarch64-linux-gnu/faketime"]
  .concat(process.env.FAKETIME_FOLDER ?? [])
  .map((path) => join(path, "libfaketimeMT.so.1"))
  .find(existsSync);
const possible = (kind: FaultKind) =>
  kind === "disk-full" ? disk.mounted : kind.startsWith("clock") ? faketime !== undefined : true;

if (!disk.mounted) say("no full disk: mounting a small file system takes root or user namespaces");
if (faketime === undefined) say("no jumping clock: it takes libfaketime (Debian's package faketime)");

const { broker, network } = await brokerBehind(way, DURABLE_BROKER);
/**
 * Milliseconds of age at which an event may come that does not say `replayed`: the client's own limit, as much again for
 * the camera, the frame's way through the daemon, and a machine that is busy, and what the network holds back.
 */
const FRESH = 2 * MQTT_TIMING.freshFor + network.holds;
const received: EmotionEvent[] = [];
const receivedAt = new Map<EmotionEvent, number>();
const subscriber = await subscribe(broker.url, "emotiond/faults/event", DURABLE);
subscriber.client.on("message", (_topic, payload) => {
  const event = eventSchema.parse(JSON.parse(payload.toString()));
  received.push(event);
  receivedAt.set(event, Date.now());
  subscriber.received.length = 0;
});
const http = `${network.clientHost}:${await freePort()}`;
const token = randomBytes(16).toString("hex");
writeFileSync(file("token"), token);
writeFileSync(
  file("emotiond.yaml"),
  stringify({
    device: "faults",
    source: { type: "libcamera", width: WIDTH, height: HEIGHT, framerate: Number(values.framerate) },
    emotion: { engine: "onnx-int8" },
    events: { updateInterval: 1, minDwell: 0.3, lostAfter: 1 },
    mqtt: {
      url: `mqtt://${network.brokerHost}:${network.brokerPort}`,
      outbox: { path: join(disk.folder, "outbox") },
    },
    http: { listen: http, tokenFile: file("token") },
  }),
);

interface RecordedLife extends Life {
  boot: string;
  counted: { at: number; events: number }[];
  killedAt: number | null;
}
const lives: RecordedLife[] = [];
const log = createWriteStream(file("log"));

function launch(): { readonly process: WatchedDaemon; readonly life: RecordedLife } {
  const life: RecordedLife = { boot: "", counted: [], killedAt: null };
  lives.push(life);
  const faked =
    faketime === undefined
      ? {}
      : {
          LD_PRELOAD: faketime,
          FAKETIME_TIMESTAMP_FILE: file("clock"),
          FAKETIME_NO_CACHE: "1",
          FAKETIME_DONT_FAKE_MONOTONIC: "1",
          DONT_FAKE_MONOTONIC: "1",
        };
  const environment = { ...camera.environment, ...faked };
  const process = startWatchedDaemon({
    configFile: file("emotiond.yaml"),
    http: { url: `http://${http}`, token },
    environment,
    runner: network.runner,
    hear(text) {
      log.write(text);
      life.boot ||= /"boot":"([0-9A-Z]{26})"/.exec(text.toString())?.[1] ?? "";
    },
  });
  return { process, life };
}

let daemon = launch();
const polling = setInterval(() => {
  const { process, life } = daemon;
  const at = Date.now();
  void process.metrics().then((metrics) => {
    const events = metrics?.sum("emotiond_events_total");
    if (events !== undefined && !Number.isNaN(events)) life.counted.push({ at, events });
  });
}, 400);

async function killDaemon(ms: number): Promise<void> {
  daemon.life.killedAt = Date.now();
  daemon.process.child.kill("SIGKILL");
  await daemon.process.exited;
  await sleep(ms);
  daemon = launch();
}

const setClock = (offset: number) => writeFileSync(file("clock"), offset < 0 ? String(offset) : `+${offset}`);

/** Until the daemon is through its start, and what waits is delivered: a kill on top of a full disk may cost events. */
async function settle(): Promise<void> {
  if (!(await daemon.process.settled(45_000))) say("it did not settle within 45 s");
}

const startedAt = Date.now();
await settle();
const plan = planFaults(Number(values.faults), possible, seeded(Number(values.seed)));
const counts = new Map<FaultKind, number>();
for (const [i, fault] of plan.entries()) {
  await sleep(fault.calm);
  counts.set(fault.kind, (counts.get(fault.kind) ?? 0) + 1);
  say(
    `${String(i + 1).padStart(3)}/${plan.length} ${fault.kind} ${fault.ms} ms, ${received.length} events so far`,
  );
  await inflict(fault, { broker, network, disk, camera, setClock, killDaemon });
  if (fault.kind === "disk-full") await settle();
  else if (daemon.process.child.exitCode !== null)
    throw new Error(`the daemon ended by itself: see ${file("log")}`);
  // A daemon that is killed before it has started once is no further test.
  if (fault.kind === "daemon-killed") await settle();
}
await settle();
await sleep(PERIOD);
clearInterval(polling);
const stoppingAt = Date.now();
daemon.process.child.kill("SIGTERM");
const exitCode = await daemon.process.exited;
const stopMs = Date.now() - stoppingAt;
await sleep(3000);

const offsets = [0, HOUR, -HOUR];
const realTime = (event: EmotionEvent) => {
  const told = Date.parse(event.time);
  const real = offsets
    .map((offset) => told - offset)
    .find((at) => at >= startedAt - 5000 && at <= stoppingAt + 5000);
  return real ?? told;
};
const troubled = lives.flatMap(({ killedAt }) => (killedAt === null ? [] : [killedAt]));
const episodes = episodesOf(camera.record(), 2500).filter(
  ({ from, to }) => !troubled.some((at) => at > from - 1000 && at < to + 2000),
);
const verdict = judge(received, lives, episodes, realTime);
/** The greatest age at which an event came that did not say `replayed`, in milliseconds. */
const stalestFresh = received
  .filter((event) => !event.replayed)
  .reduce((most, event) => Math.max(most, (receivedAt.get(event) ?? 0) - realTime(event)), 0);
const figures = {
  network: network.way,
  slowBy: network.slowBy,
  seed: Number(values.seed),
  faults: Object.fromEntries([...counts].sort()),
  lives: lives.length,
  minutes: Math.round((stoppingAt - startedAt) / 6000) / 10,
  exitCode,
  stopMs,
  stalestFresh,
  ...verdict,
};
process.stdout.write(`${JSON.stringify(figures, null, 2)}\n`);
writeFileSync(file("received"), received.map((event) => `${JSON.stringify(event)}\n`).join(""));
writeFileSync(file("lives"), JSON.stringify(lives));
await camera.end();
await subscriber.end();
await network.close();
await broker.stop();
log.end();
disk.end();
if (values.keep) say(`kept: ${folder}`);
else rmSync(folder, { recursive: true, force: true });
const bad = verdict.lost + verdict.outOfOrder + verdict.withoutEnd + verdict.unseen;
if (verdict.events === 0) say("not one event: there was nothing to lose, and nothing is shown");
process.exitCode = bad === 0 && verdict.events > 0 && stalestFresh <= FRESH && exitCode === 0 ? 0 : 1;

/** Which network it is; for `link`, this program starts itself again inside one of its own, and ends with it. */
function chooseWay(asked: string | undefined): NetworkWay {
  if (asked !== undefined && asked !== "link" && asked !== "proxy") {
    throw new Error("--network: link or proxy");
  }
  if (asked === "proxy") return "proxy";
  const own = ownNetwork();
  if (!own.possible && asked === "link") throw new Error(`no network of its own: ${own.reason}`);
  if (!own.possible) {
    say(`no network of its own, so the network is a proxy on loopback: ${own.reason}`);
    return "proxy";
  }
  const [program, ...args] = own.runner;
  const { status } = spawnSync(
    program,
    [...args, process.execPath, ...process.execArgv, ...process.argv.slice(1), "--inside"],
    { stdio: "inherit" },
  );
  process.exit(status ?? 1);
}
