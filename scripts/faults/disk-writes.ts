import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { configFile, emotiond, SAMPLE_PHOTOS, stillsConfig } from "../test-support/daemon.js";
import { startMosquitto } from "../test-support/mosquitto.js";
import { subscribe } from "../test-support/subscriber.js";

/**
 * What the built daemon writes to disk while its broker answers, by the kernel's own count:
 *
 *     npx tsx scripts/faults/disk-writes.ts --seconds 120
 */
const { values } = parseArgs({ options: { seconds: { type: "string", default: "120" } } });
const seconds = Number(values.seconds);

// Not in /tmp, which may be memory.
const folder = mkdtempSync("/var/tmp/emotiond-disk-");
const outbox = join(folder, "outbox");
const broker = await startMosquitto();
const app = await subscribe(broker.url, "emotiond/#");
const daemon = emotiond([
  "run",
  "--config",
  configFile(
    stillsConfig(broker.url, {
      source: { type: "stills", uri: join(SAMPLE_PHOTOS, "sample*.jpg"), loop: true, framerate: 5 },
      mqtt: { url: broker.url, outbox: { path: outbox } },
    }),
  ),
]);
const written = () =>
  Number(/^write_bytes: (\d+)$/m.exec(readFileSync(`/proc/${daemon.child.pid}/io`, "utf8"))?.[1]);
await app.until((received) => received.some((message) => message.topic.endsWith("/event")), 60_000);
await sleep(5000);
const [bytesBefore, eventsBefore] = [written(), app.on("/event").length];
await sleep(seconds * 1000);
const bytes = written() - bytesBefore;
process.stdout.write(
  `${JSON.stringify({
    seconds,
    events: app.on("/event").length - eventsBefore,
    bytes,
    bytesPerHour: Math.round((bytes * 3600) / seconds),
    outboxMade: existsSync(outbox),
  })}\n`,
);
daemon.child.kill("SIGTERM");
await daemon.finished;
await app.end();
await broker.stop();
rmSync(folder, { recursive: true, force: true });
