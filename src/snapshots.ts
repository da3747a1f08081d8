import type { Frame } from "./camera/frame.js";
import type { Scene } from "./display/scene.js";
import type { CommandResult } from "./mqtt/publisher.js";

type Answer = CommandResult & { readonly jpeg?: Buffer };

/** The `snapshot` command: the next frame's annotated picture, if the owner allows pictures to leave the device. */
export interface Snapshots {
  /** Asks for one; answered by the next frame, or refused when none comes in time. */
  take(): Promise<Answer>;
  /** True when somebody waits for a picture. */
  wanted(): boolean;
  /** Answers everybody who waits; the frame stays the caller's. */
  answer(frame: Frame, scene: Scene): Promise<void>;
  /** Answers everybody who waits with a refusal. */
  refuse(reason: string): void;
}

const PATIENCE_MS = 3_000;
const MAX_WAITING = 8;

/** @param render makes the JPEG; it blurs and masks as the owner configured. */
export function createSnapshots(options: {
  readonly allowed: () => boolean;
  readonly render: (frame: Frame, scene: Scene) => Promise<Buffer>;
}): Snapshots {
  const waiting = new Set<(answer: Answer) => void>();

  function answerAll(answer: Answer): void {
    for (const resolve of waiting) resolve(answer);
    waiting.clear();
  }

  return {
    take() {
      if (!options.allowed()) {
        const error =
          "snapshots are off: no picture leaves this device until its owner sets privacy.snapshots";
        return Promise.resolve({ ok: false, error });
      }
      if (waiting.size >= MAX_WAITING)
        return Promise.resolve({ ok: false, error: "too many snapshots at once" });
      return new Promise<Answer>((resolve) => {
        const timer = setTimeout(() => {
          waiting.delete(settle);
          resolve({ ok: false, error: "no frame came: the camera is away or emotiond is paused" });
        }, PATIENCE_MS);
        const settle = (answer: Answer): void => {
          clearTimeout(timer);
          resolve(answer);
        };
        waiting.add(settle);
      });
    },
    wanted: () => waiting.size > 0,
    async answer(frame, scene) {
      answerAll({ ok: true, jpeg: await options.render(frame, scene) });
    },
    refuse: (reason) => answerAll({ ok: false, error: reason }),
  };
}
