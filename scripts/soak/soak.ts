import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { stringify } from "yaml";
import { inflict } from "../faults/inflict.js";
import { type FaultKind, planFaults } from "../faults/plan.js";
import { seeded } from "../faults/seeded.js";
import { smallDisk } from "../faults/small-disk.js";
import { standInCamera } from "../faults/stand-in.js";
import { startWatchedDaemon } from "../faults/watched-daemon.js";
import { brokerBehind } from "../test-support/fault-network.js";
import { freePort } from "../test-support/mosquitto.js";

/**
 * The built daemon, alone in its process, on many small frames from a stand-in camera, as fast as it goes: does its
 * memory stay where it is?
 *
 *     npm run soak -- --frames 200000 --faults
 *
 * With `--faults`, broker, network, disk (as root) and camera fail all the while.
 */
const { values } = parseArgs({
  options: {
    frames: { type: "string", default: "20000" },
    from: { type: "string" },
    faults: { type: "boolean", default: false },
    seed: { type: "string", default: "1" },
    width: { type: "string", default: "256" },
    height: { type: "string", default: "144" },
  },
});
const last = Number(values.frames);
const first = Number(values.from ?? last / 10);
const [width, height] = [Number(values.width), Number(values.height)];
/** Frames before a mark whose samples make its figure: a garbage collection more or less is no growth. */
const WINDOW = Math.min(4000, first / 2);
/** MiB that it may grow, once what grows at a start has grown. */
const MOST_GROWTH = 5;
const WARM = 20_000;
const FAULTS: ReadonlySet<FaultKind> = new Set<FaultKind>([
  "broker-killed",
  "network-cut",
  "network-silent",
  "link-slow",
  "disk-full",
  "camera-stalled",
]);

const folder = mkdtempSync(join(tmpdir(), "emotiond-soak-"));
const say = (line: string) => process.stderr.write(`${line}\n`);
const { broker, network } = await brokerBehind("proxy", ["allow_anonymous true"]);
const disk = smallDisk(join(folder, "disk"));
const camera = standInCamera({ folder, width, height, shown: 4000, period: 5500, rate: 500 });
const httpPort = await freePort();
const configFile = join(folder, "emotiond.yaml");
writeFileSync(
  configFile,
  stringify({
    device: "soak",
    source: { type: "libcamera", width, height, framerate: 240 },
    emotion: { engine: "onnx-int8" },
    events: { updateInterval: 0.2, minDwell: 0.3, lostAfter: 0.5 },
    mqtt: {
      url: `mqtt://${network.brokerHost}:${network.brokerPort}`,
      outbox: { path: join(disk.folder, "outbox") },
    },
    http: { listen: `127.0.0.1:${httpPort}` },
    log: { level: "warn" },
  }),
);
const daemon = startWatchedDaemon({
  configFile,
  http: { url: `http://127.0.0.1:${httpPort}` },
  environment: camera.environment,
  hear(text) {
    if (!values.faults) process.stderr.write(text);
  },
});
const begun = performance.now();

let inflicted = 0;
let over = false;
async function disturb(): Promise<void> {
  const possible = (kind: FaultKind) => FAULTS.has(kind) && (kind !== "disk-full" || disk.mounted);
  const random = seeded(Number(values.seed));
  while (!over) {
    const [fault] = planFaults(1, possible, random);
    if (fault === undefined) return;
    await sleep(fault.calm);
    await inflict(fault, { broker, network, disk, camera });
    inflicted += 1;
  }
}
const disturbing = values.faults ? disturb() : Promise.resolve();

interface Sample {
  readonly frames: number;
  readonly rssMiB: number;
  readonly heapMiB: number;
}
const samples: Sample[] = [];
let events = 0;
let frames = 0;
let told = 0;
while (frames < last && daemon.child.exitCode === null) {
  await sleep(500);
  const metrics = await daemon.metrics();
  if (metrics === null) continue;
  frames = metrics.sum("emotiond_frame_latency_seconds_count");
  events = metrics.sum("emotiond_events_total");
  samples.push({
    frames,
    rssMiB: daemon.rssMiB(),
    heapMiB: metrics.sum("nodejs_heap_size_used_bytes") / 1024 / 1024,
  });
  if (frames - told >= last / 20) {
    told = frames;
    say(`${frames} frames: ${daemon.rssMiB().toFixed(1)} MiB, ${events} events, ${inflicted} faults`);
  }
}
over = true;
await disturbing;
const buffered = !(await daemon.settled(60_000));
daemon.child.kill("SIGTERM");
const exitCode = await daemon.exited;

const median = (numbers: number[]) =>
  numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
const at = (mark: number, what: "rssMiB" | "heapMiB") =>
  median(
    samples
      .filter((sample) => sample.frames > mark - WINDOW && sample.frames <= mark + WINDOW)
      .map((sample) => sample[what]),
  );
const round = (value: number) => Math.round(value * 10) / 10;
const growth = at(last, "rssMiB") - at(first, "rssMiB");
process.stdout.write(
  `${JSON.stringify({
    frames,
    events,
    faults: inflicted,
    seconds: Math.round((performance.now() - begun) / 1000),
    rssMiB: { [first]: round(at(first, "rssMiB")), [last]: round(at(last, "rssMiB")) },
    heapMiB: { [first]: round(at(first, "heapMiB")), [last]: round(at(last, "heapMiB")) },
    growthMiB: round(growth),
    allDelivered: !buffered,
    exitCode,
  })}\n`,
);
await camera.end();
await network.close();
await broker.stop();
disk.end();
rmSync(folder, { recursive: true, force: true });
process.exitCode = (growth <= MOST_GROWTH || first < WARM) && exitCode === 0 && !buffered ? 0 : 1;
