import type { Frame } from "../camera/frame.js";
import { keepFrame } from "../camera/kept-frame.js";
import type { Scene } from "../display/scene.js";
import type { CommandResult } from "../mqtt/publisher.js";
import { SearchError } from "../vision/thorough-search.js";

type Answer = CommandResult & { readonly jpeg?: Buffer };
type Settle = (answer: Answer) => void;

/** The `snapshot` command: the next frame's annotated picture, if the owner allows pictures to leave the device. */
export interface Snapshots {
  /** Asks for one; answered by the next frame, or refused when none comes in time. */
  take(): Promise<Answer>;
  /** True when somebody waits for a picture, and none is being made. */
  wanted(): boolean;
  /**
   * Answers everybody who waits, one picture at a time. It resolves when the frame has been copied, which stays the
   * caller's; the picture is made beside the frames that follow.
   */
  answer(frame: Frame, scene: Scene): Promise<void>;
  /** Answers everybody with a refusal, those whose picture is being made, too: it is not sent any more. */
  refuse(reason: string): void;
  /** Refuses, and waits until nothing is in use any more. */
  close(reason: string): Promise<void>;
}

export interface SnapshotOptions {
  readonly allowed: () => boolean;
  readonly paused: () => boolean;
  /**
   * Makes the JPEG, in which what the owner wants hidden is hidden. It rejects where that cannot be done: then no
   * picture is sent. It ends soon after the signal aborts.
   */
  readonly render: (frame: Frame, scene: Scene, signal: AbortSignal) => Promise<Buffer>;
  /** Told of an error that nobody expects. */
  readonly onFault: (error: unknown) => void;
  /** How long making a picture may take, in milliseconds. */
  readonly limit?: number;
}

const PATIENCE_MS = 3_000;
const MAX_WAITING = 8;
/** A Raspberry Pi 4 searches a picture for faces in about half of it. */
const MAKING_MS = 15_000;

export function createSnapshots(options: SnapshotOptions): Snapshots {
  const waiting = new Set<Settle>();
  let making: { readonly asking: Set<Settle>; readonly stop: AbortController } | undefined;
  let made: Promise<void> = Promise.resolve();

  function answerAll(asking: Set<Settle>, answer: Answer): void {
    for (const resolve of asking) resolve(answer);
    asking.clear();
  }

  function take(): Promise<Answer> {
    if (!options.allowed()) {
      const error = "snapshots are off: no picture leaves this device until its owner sets privacy.snapshots";
      return Promise.resolve({ ok: false, error });
    }
    if (options.paused())
      return Promise.resolve({ ok: false, error: "emotiond is paused: resume it for a snapshot" });
    if (waiting.size >= MAX_WAITING)
      return Promise.resolve({ ok: false, error: "too many snapshots at once" });
    return new Promise<Answer>((resolve) => {
      let timer = setTimeout(late, PATIENCE_MS);
      function late(): void {
        // The next frame is taken when the picture before is made.
        if (making !== undefined) {
          timer = setTimeout(late, PATIENCE_MS);
          return;
        }
        // It may be the turn of one that is copied just now.
        if (!waiting.delete(settle)) return;
        resolve({ ok: false, error: "no frame came: the camera is away" });
      }
      function settle(answer: Answer): void {
        clearTimeout(timer);
        resolve(answer);
      }
      waiting.add(settle);
    });
  }

  async function answer(frame: Frame, scene: Scene): Promise<void> {
    if (making !== undefined || waiting.size === 0) return;
    const current = { asking: new Set(waiting), stop: new AbortController() };
    waiting.clear();
    making = current;
    let kept: Frame;
    try {
      kept = await keepFrame(frame);
    } catch (error) {
      making = undefined;
      answerAll(current.asking, refusalFor(error));
      return;
    }
    made = make(kept, scene, current.asking, current.stop.signal).finally(() => {
      making = undefined;
    });
  }

  /** Never rejects. */
  async function make(frame: Frame, scene: Scene, asking: Set<Settle>, stop: AbortSignal): Promise<void> {
    const late = AbortSignal.timeout(options.limit ?? MAKING_MS);
    try {
      const jpeg = await options.render(frame, scene, AbortSignal.any([stop, late]));
      answerAll(asking, { ok: true, jpeg });
    } catch (error) {
      answerAll(asking, refusalFor(error));
    } finally {
      frame.release();
    }
  }

  function refusalFor(error: unknown): Answer {
    if (error instanceof SearchError) return { ok: false, error: `${error.message}: no picture is sent` };
    options.onFault(error);
    return { ok: false, error: "the picture could not be made" };
  }

  function refuse(reason: string): void {
    answerAll(waiting, { ok: false, error: reason });
    if (making === undefined) return;
    answerAll(making.asking, { ok: false, error: reason });
    making.stop.abort();
  }

  return {
    take,
    wanted: () => waiting.size > 0 && making === undefined,
    answer,
    refuse,
    async close(reason) {
      refuse(reason);
      await made;
    },
  };
}
