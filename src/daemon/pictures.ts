import type { Box } from "../base/box.js";
import type { Logger } from "../base/logger.js";
import type { Frame } from "../camera/frame.js";
import { createDisplay, type Display, renderSnapshot } from "../display/display.js";
import { createHiding } from "../display/hiding.js";
import type { Scene } from "../display/scene.js";
import type { Lifecycle, LiveFace } from "../events/lifecycle.js";
import type { Track } from "../vision/tracker.js";
import type { LiveConfig } from "./live-config.js";
import type { LiveFinder } from "./live-finder.js";
import type { PipelineMeter } from "./meter.js";
import type { Outlets } from "./outlets.js";
import type { Pause } from "./pause.js";
import { createSnapshots, type Snapshots } from "./snapshots.js";
import type { Source } from "./source.js";

/** What is shown of the frames: on the monitor, and in snapshots. */
export interface Pictures {
  readonly display: Display;
  readonly snapshots: Snapshots;
  /** Shows a frame that has been through all stages; takes what it needs before it resolves. */
  show(frame: Frame, tracks: readonly Track[]): Promise<void>;
  /** Shows this on the monitor in place of the picture, until the next one. */
  notice(text: string): void;
  /** Says on the monitor why there is no picture; nothing while there is one. */
  explainAbsence(): void;
  /** Refuses snapshots, gives the monitor back, and waits until nothing is in use any more. */
  close(reason: string): Promise<void>;
}

export interface PictureSources {
  readonly live: LiveConfig;
  readonly logger: Logger;
  readonly finder: LiveFinder;
  readonly lifecycle: Lifecycle;
  readonly meter: PipelineMeter;
  readonly outlets: Outlets;
  readonly pause: Pause;
  readonly source: Source;
}

export function createPictures(sources: PictureSources): Pictures {
  const { live, logger, finder, lifecycle, meter, outlets, pause, source } = sources;
  const { device } = live.current;
  const display = createDisplay({ config: live.current.display, logger, device });
  const hiding = createHiding({ wanted: () => live.current.privacy.blurFaces, finder: () => finder });
  const snapshots = createSnapshots({
    allowed: () => live.current.privacy.snapshots,
    paused: () => pause.on,
    render: async (frame, scene, stop) =>
      renderSnapshot(frame, { ...scene, hidden: await hiding.search(frame, scene.hidden, stop) }),
    onFault: (error) => logger.error({ err: error }, "a snapshot failed"),
  });
  let shown = "";

  /** An empty one leaves the place to the next picture. */
  function notice(text: string): void {
    if (text !== "" && text !== shown) display.placeholder(text);
    shown = text;
  }

  function sceneOf(frame: Frame, hidden: readonly Box[]): Scene {
    const ageOf = (face: LiveFace) => (frame.steadyAt - face.since) / 1000;
    return {
      device,
      faces: lifecycle.live.map((face) => ({ ...face, ageSeconds: ageOf(face) })),
      hidden,
      fps: meter.fps(performance.now()),
      broker: outlets.delivery().connected ? "connected" : "away",
      camera: source.health().status,
      clock: new Date(frame.takenAt).toLocaleTimeString("en-GB"),
    };
  }

  return {
    display,
    snapshots,
    async show(frame, tracks) {
      const { hidden, notice: instead } = hiding.follow(frame, tracks);
      notice(instead ?? "");
      if (instead === null && display.wants()) await display.show(frame, sceneOf(frame, hidden));
      if (snapshots.wanted()) await snapshots.answer(frame, sceneOf(frame, hidden));
    },
    notice,
    explainAbsence() {
      const { status, lastError } = source.health();
      if (pause.on) notice(source.closed ? "paused: the camera is closed" : "paused");
      else if (status !== "running")
        notice(`no camera: ${lastError ?? `waiting for ${source.description}`}, retrying`);
    },
    async close(reason) {
      await Promise.all([snapshots.close(reason), display.stop()]);
    },
  };
}
