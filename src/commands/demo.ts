import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { createLogger } from "../base/log.js";
import { discoverCamera } from "../camera/libcamera/discover.js";
import { defaultConfig } from "../config/load.js";
import type { Config, SourceConfig } from "../config/schema.js";
import { startDaemon } from "../daemon/daemon.js";
import type { EmotionEvent } from "../events/schema.js";
import { startEmbeddedBroker } from "../mqtt/broker.js";
import { outputIsLost } from "../system/standard-output.js";

/** The port that MQTT clients try unless told otherwise; where it is taken, any other. */
const BROKER_PORT = 1883;

/**
 * What `npm start` runs: the first camera that is there, else sample photos; a broker of its own on 127.0.0.1;
 * and the events as they happen, on the terminal.
 */
export async function demo(): Promise<number> {
  process.umask(0o077);
  const stopping = new AbortController();
  for (const name of ["SIGTERM", "SIGINT"] as const) process.on(name, () => stopping.abort());
  const say = (text: string): void => {
    // Nobody looks any more.
    if (outputIsLost()) stopping.abort();
    process.stdout.write(`${text}\n`);
  };

  const source = await chooseSource(say);
  const broker = await startEmbeddedBroker(BROKER_PORT).catch(() => startEmbeddedBroker(0));
  const config = configure(source, broker.url);
  say(`Broker at ${broker.url}: mosquitto_sub -p ${broker.port} -v -t '${config.mqtt.baseTopic}/#'`);
  say("Events as they happen (Ctrl-C ends):\n");
  const begun = performance.now();
  let first = true;
  try {
    const daemon = await startDaemon({
      config,
      logger: createLogger("warn"),
      signal: stopping.signal,
      environment: process.env,
      onEvent: (event) => {
        if (first) say(`(first event ${((performance.now() - begun) / 1000).toFixed(1)} s after the start)`);
        first = false;
        say(describe(event));
      },
    });
    await daemon.finished;
  } finally {
    await broker.close();
  }
  return 0;
}

async function chooseSource(say: (text: string) => void): Promise<Partial<SourceConfig>> {
  const camera = await discoverCamera();
  if (camera?.type === "libcamera") {
    say(`Camera: ${camera.name} (Raspberry Pi camera)`);
    return { type: "libcamera" };
  }
  if (camera !== null) {
    say(`Camera: ${camera.name} (${camera.uri})`);
    return { type: "video", uri: camera.uri };
  }
  const folder = samplePhotos();
  say(`No camera found: sample photos in ${folder} play one.`);
  return { type: "stills", uri: join(folder, "sample*.jpg"), loop: true };
}

/** Group photos from face-api.js (MIT): beside the program in a package, among the npm packages in a checkout. */
function samplePhotos(): string {
  const packaged = fileURLToPath(new URL("../../samples", import.meta.url));
  if (existsSync(packaged)) return packaged;
  const require = createRequire(import.meta.url);
  return join(dirname(require.resolve("@vladmandic/face-api/package.json")), "demo");
}

function configure(source: Partial<SourceConfig>, brokerUrl: string): Config {
  const config = defaultConfig();
  return {
    ...config,
    source: { ...config.source, ...source },
    emotion: { ...config.emotion, model: fileURLToPath(new URL("../../models/emotion", import.meta.url)) },
    mqtt: { ...config.mqtt, url: brokerUrl },
    http: { ...config.http, listen: "none" },
  };
}

function describe(event: EmotionEvent): string {
  const { label, confidence } = event.emotion;
  const face = `face …${event.track.slice(-4)}`;
  const percent = `${Math.round(confidence * 100)} %`;
  const time = event.time.slice(11, 23);
  switch (event.type) {
    case "new":
      return `${time}  new     ${face}  ${label} ${percent}`;
    case "update": {
      const change = event.previous === label ? "still " : `${event.previous} → `;
      return `${time}  update  ${face}  ${change}${label} ${percent}`;
    }
    case "end":
      return `${time}  end     ${face}  after ${event.duration.toFixed(1)} s`;
  }
}
