import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  createWriteStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { stringify } from "yaml";
import { type EmotionEvent, eventSchema } from "../../src/events/schema.js";
import { freePort, startMosquitto } from "../../test/mqtt/support/mosquitto.js";
import { faultProxy } from "../../test/mqtt/support/proxy.js";
import { DURABLE, subscribe } from "../../test/mqtt/support/subscriber.js";
import { type Fault, type FaultKind, planFaults } from "./plan.js";
import { seeded } from "./seeded.js";
import { episodesOf, judge, type Life } from "./verdict.js";

/**
 * The real daemon (built: dist/), a real mosquitto, and faults between and around them; at the end, what the camera
 * showed is compared with what a subscriber holds.
 *
 *     npx tsx scripts/faults/faults.ts --faults 200 --seed 1
 *
 * As root, so that a small file system can be mounted for the full disk; with libfaketime, for the clock.
 */
const { values } = parseArgs({
  options: {
    faults: { type: "string", default: "200" },
    seed: { type: "string", default: "1" },
    framerate: { type: "string", default: "5" },
    keep: { type: "boolean", default: false },
  },
});
const HERE = import.meta.dirname;
const MAIN = join(HERE, "../../dist/main.js");
const [WIDTH, HEIGHT] = [640, 480];
const [SHOWN, PERIOD] = [4000, 7000];
const HOUR = 3_600_000;

const folder = mkdtempSync(join(tmpdir(), "emotiond-faults-"));
const file = (name: string) => join(folder, name);
const say = (line: string) => process.stderr.write(`${line}\n`);
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

const photos = join(
  dirname(createRequire(import.meta.url).resolve("@vladmandic/face-api/package.json")),
  "demo",
);
execFileSync(process.execPath, [
  ...["--import", "tsx", join(HERE, "camera/photo.ts"), join(photos, "sample3.jpg")],
  ...[file("face.yuv"), String(WIDTH), String(HEIGHT)],
]);
writeFileSync(file("truth"), "");
writeFileSync(file("clock"), "+0");

mkdirSync(file("disk"));
const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=4m", "tmpfs", file("disk")]).status === 0;
const faketime = ["/usr/lib/x86_64-linux-gnu/faketime", "/usr/lib/aarch64-linux-gnu/faketime"]
  .concat(process.env.FAKETIME_FOLDER ?? [])
  .map((path) => join(path, "libfaketimeMT.so.1"))
  .find(existsSync);
const possible = (kind: FaultKind) =>
  kind === "disk-full" ? mounted : kind.startsWith("clock") ? faketime !== undefined : true;

const broker = await startMosquitto([
  "allow_anonymous true",
  "max_inflight_messages 0",
  "persistence true",
  "persistence_location $FOLDER/",
  "autosave_on_changes true",
  "autosave_interval 1",
]);
const proxy = await faultProxy(broker.port);
const received: EmotionEvent[] = [];
const receivedAt = new Map<EmotionEvent, number>();
const subscriber = await subscribe(broker.url, "emotiond/faults/event", DURABLE);
subscriber.client.on("message", (_topic, payload) => {
  const event = eventSchema.parse(JSON.parse(payload.toString()));
  received.push(event);
  receivedAt.set(event, Date.now());
  subscriber.received.length = 0;
});
const httpPort = await freePort();
writeFileSync(
  file("emotiond.yaml"),
  stringify({
    device: "faults",
    source: { type: "libcamera", width: WIDTH, height: HEIGHT, framerate: Number(values.framerate) },
    emotion: { engine: "onnx-int8" },
    events: { updateInterval: 1, minDwell: 0.3, lostAfter: 1 },
    mqtt: { url: `mqtt://127.0.0.1:${proxy.port}`, outbox: { path: join(file("disk"), "outbox") } },
    http: { listen: `127.0.0.1:${httpPort}` },
  }),
);

const lives: { boot: string; counted: { at: number; events: number }[]; killedAt: number | null }[] = [];
const log = createWriteStream(file("log"));

function launch() {
  const child = spawn(process.execPath, [MAIN, "run", "--config", file("emotiond.yaml")], {
    stdio: ["ignore", "ignore", "pipe"],
    env: {
      ...process.env,
      NOTIFY_SOCKET: "",
      PATH: `${join(HERE, "camera")}:${process.env.PATH}`,
      FAULTS_FACE: file("face.yuv"),
      FAULTS_TRUTH: file("truth"),
      FAULTS_SHOWN: String(SHOWN),
      FAULTS_PERIOD: String(PERIOD),
      ...(faketime === undefined
        ? {}
        : {
            LD_PRELOAD: faketime,
            FAKETIME_TIMESTAMP_FILE: file("clock"),
            FAKETIME_NO_CACHE: "1",
            FAKETIME_DONT_FAKE_MONOTONIC: "1",
            DONT_FAKE_MONOTONIC: "1",
          }),
    },
  });
  const life = { boot: "", counted: [] as Life["counted"][number][], killedAt: null as number | null };
  lives.push(life);
  child.stderr.on("data", (text: Buffer) => {
    log.write(text);
    life.boot ||= /"boot":"([0-9A-Z]{26})"/.exec(text.toString())?.[1] ?? "";
  });
  return { child, life, exited: once(child, "exit") };
}

async function countEvents(): Promise<number | null> {
  try {
    const response = await fetch(`http://127.0.0.1:${httpPort}/metrics`, {
      signal: AbortSignal.timeout(1000),
    });
    const lines = (await response.text()).matchAll(/^emotiond_events_total\{.*\} (\d+)$/gm);
    return [...lines].reduce((sum, [, count]) => sum + Number(count), 0);
  } catch {
    return null;
  }
}

let daemon = launch();
const polling = setInterval(() => {
  const { life } = daemon;
  const at = Date.now();
  void countEvents().then((events) => {
    if (events !== null) life.counted.push({ at, events });
  });
}, 400);

/** The stand-in camera's process. */
function cameraPid(): number | null {
  const found = spawnSync("pgrep", ["-f", `${join(HERE, "camera/camera.mjs")}.*`], { encoding: "utf8" });
  const pids = found.stdout.trim().split("\n").filter(Boolean).map(Number);
  return pids.find((pid) => environmentOf(pid).includes(file("truth"))) ?? null;
}
function environmentOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, "utf8");
  } catch {
    return "";
  }
}

async function inflict({ kind, ms }: Fault): Promise<void> {
  switch (kind) {
    case "broker-killed":
      await broker.kill();
      await sleep(ms);
      await broker.restart();
      break;
    case "network-cut":
      proxy.cut();
      await sleep(ms);
      proxy.heal();
      break;
    case "network-silent":
      proxy.stall();
      await sleep(ms);
      proxy.heal();
      break;
    case "link-slow":
      proxy.delayAnswers(ms / 3);
      await sleep(ms);
      proxy.delayAnswers(0);
      break;
    case "daemon-killed":
      daemon.life.killedAt = Date.now();
      daemon.child.kill("SIGKILL");
      await daemon.exited;
      await sleep(ms);
      daemon = launch();
      break;
    case "disk-full": {
      // The disk matters when the broker is away.
      const ballast = join(file("disk"), "ballast");
      spawnSync("dd", ["if=/dev/zero", `of=${ballast}`, "bs=64k"], { stdio: "ignore" });
      proxy.cut();
      await sleep(ms);
      rmSync(ballast, { force: true });
      proxy.heal();
      break;
    }
    case "camera-stalled": {
      const pid = cameraPid();
      if (pid === null) return;
      process.kill(pid, "SIGSTOP");
      await sleep(ms);
      try {
        process.kill(pid, "SIGCONT");
      } catch {
        // The supervisor has ended it meanwhile, as it should.
      }
      break;
    }
    case "clock-forward":
    case "clock-back":
      writeFileSync(file("clock"), kind === "clock-forward" ? "+3600" : "-3600");
      await sleep(ms);
      writeFileSync(file("clock"), "+0");
      break;
  }
}

/** Until the daemon is through its start, and what waits is delivered: a kill on top of a full disk may cost events. */
async function settle(): Promise<void> {
  const deadline = Date.now() + 45_000;
  while (Date.now() < deadline) {
    try {
      const text = await (await fetch(`http://127.0.0.1:${httpPort}/metrics`)).text();
      if (/^emotiond_mqtt_connected 1$/m.test(text) && /^emotiond_mqtt_buffered_events 0$/m.test(text))
        return;
    } catch {
      // Not up yet.
    }
    await sleep(200);
  }
  say("it did not settle within 45 s");
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
  await inflict(fault);
  if (fault.kind === "disk-full") await settle();
  else if (daemon.child.exitCode !== null) throw new Error(`the daemon ended by itself: see ${file("log")}`);
  // A daemon that is killed before it has started once is no further test.
  if (fault.kind === "daemon-killed") await settle();
}
await settle();
await sleep(PERIOD);
clearInterval(polling);
const stoppingAt = Date.now();
daemon.child.kill("SIGTERM");
const [exitCode] = (await daemon.exited) as [number | null];
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
const episodes = episodesOf(readFileSync(file("truth"), "utf8"), 2500).filter(
  ({ from, to }) => !troubled.some((at) => at > from - 1000 && at < to + 2000),
);
const verdict = judge(received, lives as Life[], episodes, realTime);
/** The greatest age at which an event came that did not say `replayed`, in milliseconds. */
const stalestFresh = received
  .filter((event) => !event.replayed)
  .reduce((most, event) => Math.max(most, (receivedAt.get(event) ?? 0) - realTime(event)), 0);
const figures = {
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
// One that was stopped (SIGSTOP) when its daemon was killed knows nothing of it.
for (let pid = cameraPid(); pid !== null; pid = cameraPid()) {
  process.kill(pid, "SIGKILL");
  await sleep(100);
}
await subscriber.end();
await proxy.close();
await broker.stop();
log.end();
if (mounted) spawnSync("umount", ["-l", file("disk")]);
if (values.keep) say(`kept: ${folder}`);
else rmSync(folder, { recursive: true, force: true });
process.exitCode =
  verdict.lost + verdict.outOfOrder + verdict.withoutEnd + verdict.unseen === 0 && exitCode === 0 ? 0 : 1;
