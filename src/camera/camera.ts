import { ExpectedError } from "../base/errors.js";
import { withoutSecrets } from "../base/secrets.js";
import type { Frame } from "./frame.js";

/**
 * A source of frames. It knows nothing of retries: one `run` is one attempt, and the supervisor decides what
 * follows.
 */
export interface Camera {
  /** For people: "libcamera 640×480 at 30/s", "/dev/video0", "photos in samples/". Holds no credentials. */
  readonly description: string;
  /** Milliseconds between frames as configured, where that is known: no deadline may be shorter. */
  readonly interval?: number;
  /** Milliseconds that its first frame may take, where that is longer than usual. */
  readonly firstFrame?: number;
  /**
   * Delivers frames until the source ends (resolves), fails (rejects with CameraError) or the signal aborts
   * (resolves; everything the attempt started is gone, or given up on after KILL).
   *
   * @param deliver hands a frame over, with its ownership; the camera awaits it before it takes the next, so
   *   a lossless pipeline can hold it back. A live camera's deliver never waits.
   * @param signal its reason is a CameraError when the attempt is given up on because no frame comes; a camera
   *   that knows more about that may reject instead.
   */
  run(deliver: (frame: Frame) => Promise<void>, signal: AbortSignal): Promise<void>;
}

/** A camera attempt that failed; `message` names the cure, and no secret. */
export class CameraError extends ExpectedError {
  override readonly name = "CameraError";

  constructor(message: string) {
    super(withoutSecrets(message));
  }
}

export type CameraStatus = "starting" | "running" | "stalled" | "failed";
