import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { configSchema } from "../../src/config/schema.js";
import { startMosquitto } from "../../test/mqtt/support/mosquitto.js";
import { faultProxy } from "../../test/mqtt/support/proxy.js";
import { virtualDevice } from "../simulate/virtual-device.js";
import { seeded } from "./seeded.js";

/**
 * Memory of lifecycle, outbox and MQTT client over many frames, while the broker comes and goes:
 *
 *     node --expose-gc --import tsx scripts/faults/soak.ts --frames 200000
 */
const { values } = parseArgs({ options: { frames: { type: "string", default: "200000" } } });
const frames = Number(values.frames);
const EARLY = Math.floor(frames / 10);
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

const folder = mkdtempSync(join(tmpdir(), "emotiond-soak-"));
const broker = await startMosquitto(["allow_anonymous true"]);
const proxy = await faultProxy(broker.port);
const mqtt = configSchema.parse({
  device: "soak",
  mqtt: { url: `mqtt://127.0.0.1:${proxy.port}`, outbox: { path: join(folder, "outbox") } },
}).mqtt;
const quiet = { debug() {}, info() {}, warn() {}, error() {} };
const device = virtualDevice({ device: "soak", mqtt, log: quiet, updateInterval: 0.2, random: seeded(1) });
device.publisher.start();

let running = true;
async function disturb(): Promise<void> {
  const random = seeded(2);
  while (running) {
    await sleep(4000 + 4000 * random());
    const kind = random();
    if (kind < 0.3) {
      await broker.kill();
      await sleep(2000 * random());
      await broker.restart();
    } else if (kind < 0.7) {
      proxy.cut();
      await sleep(3000 * random());
    } else {
      proxy.stall();
      await sleep(3000 * random());
    }
    proxy.heal();
  }
}
const disturbing = disturb();

async function rss(): Promise<number> {
  // Delivered first, so that what waits is not taken for a leak.
  for (let i = 0; i < 300 && device.publisher.stats().buffered > 0; i++) await sleep(100);
  globalThis.gc?.();
  await sleep(200);
  globalThis.gc?.();
  return process.memoryUsage.rss() / 1024 / 1024;
}

let early = 0;
for (let frame = 1; frame <= frames; frame++) {
  device.tick();
  if (frame % 5 === 0) await sleep(1);
  if (frame === EARLY) early = await rss();
}
const late = await rss();
running = false;
await disturbing;
const stats = device.publisher.stats();
await device.stop(5000);
process.stdout.write(
  `${JSON.stringify({
    frames,
    events: device.seq(),
    replayed: stats.replayed,
    dropped: stats.dropped,
    rssMiB: { [EARLY]: Math.round(early * 10) / 10, [frames]: Math.round(late * 10) / 10 },
  })}\n`,
);
await proxy.close();
await broker.stop();
rmSync(folder, { recursive: true, force: true });
