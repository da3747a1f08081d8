import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { defaultConfig } from "../../src/config/load.js";
import { startDaemon } from "../../src/daemon.js";
import { startEmbeddedBroker } from "../../src/mqtt/broker.js";
import { createLogger } from "../../src/system/log.js";

/**
 * The daemon on many frames of moving photos, as fast as it goes: does its memory stay where it is?
 *
 *     npm run soak -- --frames 20000
 */
const { values } = parseArgs({
  options: { frames: { type: "string", default: "20000" }, from: { type: "string", default: "2000" } },
});
const last = Number(values.frames);
const first = Number(values.from);
const photos = join(
  dirname(createRequire(import.meta.url).resolve("@vladmandic/face-api/package.json")),
  "demo/sample*.jpg",
);

const rss = (): number => Math.round((process.memoryUsage.rss() / 1024 / 1024) * 10) / 10;

const broker = await startEmbeddedBroker(0);
const base = defaultConfig();
const stop = new AbortController();
const marks: Record<number, number> = {};
let events = 0;
let frames = 0;
const begun = performance.now();
const daemon = await startDaemon({
  config: {
    ...base,
    source: { ...base.source, type: "stills", uri: photos, loop: true, realtime: false },
    emotion: { ...base.emotion, engine: "onnx-int8" },
    mqtt: { ...base.mqtt, url: broker.url },
    http: { ...base.http, listen: "none" },
  },
  logger: createLogger("warn"),
  signal: stop.signal,
  environment: process.env,
  onEvent: () => {
    events += 1;
  },
  onFrame: () => {
    frames += 1;
    if (frames === first || frames % 2000 === 0) {
      marks[frames] = rss();
      console.error(`${frames} frames: ${rss()} MiB`);
    }
    if (frames >= last) stop.abort();
  },
});
await daemon.finished;
await broker.close();
console.log(
  JSON.stringify({
    frames,
    events,
    seconds: Math.round((performance.now() - begun) / 100) / 10,
    rssMiB: marks,
    growthMiB: Math.round(((marks[frames] ?? rss()) - (marks[first] ?? 0)) * 10) / 10,
  }),
);
