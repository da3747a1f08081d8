import { VERSION } from "../base/version.js";
import { type Lifecycle, rfc3339 } from "../events/lifecycle.js";
import type { Health } from "../events/schema.js";
import { readTemperature } from "../system/temperature.js";
import type { Engine } from "./engine.js";
import type { PipelineMeter } from "./meter.js";
import type { Outlets } from "./outlets.js";
import type { Pause } from "./pause.js";
import type { Source } from "./source.js";

/** How the daemon is, for the broker, HTTP and systemd. */
export interface Status {
  health(): Promise<Health>;
  /** The line that `systemctl status` shows. */
  line(): string;
  /** Publishes `health` now, if the broker is there. */
  tell(): void;
  /** Publishes the first `health` as soon as there is somebody who hears it; asked at each frame. */
  tellFirst(): void;
}

export interface StatusSources {
  readonly source: Source;
  readonly meter: PipelineMeter;
  readonly lifecycle: Lifecycle;
  readonly engine: Engine;
  readonly outlets: Outlets;
  readonly pause: Pause;
}

export function createStatus(sources: StatusSources): Status {
  const { source, meter, lifecycle, engine, outlets, pause } = sources;
  const startedAt = performance.now();
  let told = false;

  async function health(): Promise<Health> {
    const at = performance.now();
    const camera = source.health();
    const { buffered, dropped } = outlets.delivery();
    return {
      time: rfc3339(Date.now()),
      uptime: round((at - startedAt) / 1000),
      version: VERSION,
      camera: {
        status: camera.status,
        fps: round(camera.fps),
        lastFrameAge: camera.lastFrameAge === null ? null : round(camera.lastFrameAge),
        restarts: camera.restarts,
      },
      pipeline: { fps: meter.fps(at), dropped: source.slot.dropped, latencyMs: meter.latencyMs() },
      model: { name: engine.classifier.model.name, engine: engine.classifier.engine },
      paused: pause.on,
      mqtt: { buffered, dropped },
      rssMiB: round(process.memoryUsage.rss() / 1024 / 1024),
      temperature: await readTemperature(),
    };
  }

  function tell(): void {
    if (!outlets.delivery().connected) return;
    told = true;
    // `health` reads a file of the kernel's and does not fail; the rest is handed over at once.
    void health().then((message) => outlets.health(message));
  }

  return {
    health,
    line() {
      const { status, lastError } = source.health();
      const broker = outlets.delivery().connected ? "broker connected" : "broker away";
      const closed = source.closed ? "camera closed, " : "";
      if (pause.on) return `paused until the command resume, ${closed}${broker}`;
      if (status !== "running")
        return `${lastError === null ? `camera ${status}` : `no camera: ${lastError}`}, ${broker}`;
      return `${meter.fps(performance.now())} fps, ${lifecycle.live.length} faces, ${broker}`;
    },
    tell,
    tellFirst() {
      if (!told) tell();
    },
  };
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
