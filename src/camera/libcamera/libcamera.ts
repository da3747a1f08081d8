import { basename } from "node:path";
import { type Logger, silentLogger } from "../../base/logger.js";
import type { SourceConfig } from "../../config/schema.js";
import { type Camera, CameraError } from "../camera.js";
import type { Frame } from "../frame.js";
import type { FrameMaker } from "../frame-maker.js";
import { createFreezeWatch, standsStill } from "../frozen.js";
import { thisMoment } from "../moment.js";
import { cameraFault } from "./camera-fault.js";
import { type CameraProgram, startCameraProgram } from "./camera-program.js";

/** Milliseconds. Together less than the supervisor's own deadline for an attempt's end. */
const TERM_WITHIN = 1_000;
const KILL_WITHIN = 1_000;

export interface LibcameraOptions {
  readonly source: Pick<SourceConfig, "width" | "height" | "framerate">;
  readonly frames: FrameMaker;
  readonly log?: Logger;
  /** Where the FIFO may go, best first; the system's temporary folder is the last resort. */
  readonly folders?: readonly string[];
}

/**
 * The Raspberry Pi's camera, through node-libcamera and a FIFO: planar YUV 4:2:0, whose first width × height
 * bytes are the grey picture.
 */
export function createLibcamera({
  source,
  frames,
  log = silentLogger,
  folders = [],
}: LibcameraOptions): Camera {
  const { width, height } = unpaddedSize(source.width, source.height);
  if (width !== source.width || height !== source.height) {
    log.warn(
      { asked: `${source.width}×${source.height}`, used: `${width}×${height}` },
      "the Pi camera pads rows to 128 pixels: source.width is rounded to a multiple of 128, source.height to an even number",
    );
  }
  const description = `libcamera ${width}×${height} at ${source.framerate}/s`;

  const freeze = createFreezeWatch();

  return {
    description,
    interval: 1000 / source.framerate,
    run: async (deliver, signal) => {
      if (signal.aborted) return;
      freeze.restart();
      const assembly = assembleFrames((width * height * 3) / 2, (bytes, free) => {
        try {
          const taken = thisMoment();
          const frozen = freeze.check(bytes, taken.steadyAt);
          if (frozen !== null) throw standsStill(description, frozen);
          pass(frames.fromI420(bytes, width, height, taken, free));
        } catch (error) {
          // Thrown in a socket's callback, it would end the daemon.
          fault = error;
          failed();
        }
      });
      let fault: unknown;
      let failed: () => void = () => undefined;
      const failing = new Promise<void>((resolve) => {
        failed = resolve;
      });
      const pass = (frame: Frame) => {
        // A live camera does not wait for its frames to be taken.
        deliver(frame).catch((error: unknown) => {
          fault = error;
          failed();
        });
      };

      const program = await startCameraProgram({
        width,
        height,
        framerate: source.framerate,
        folders,
        space: assembly.space,
        filled: (bytes) => {
          if (!signal.aborted) assembly.filled(bytes);
        },
      });
      try {
        await Promise.race([program.exited, failing, abortOf(signal)]);
        const byItself = !signal.aborted && fault === undefined;
        if (byItself) await program.drain();
        const words = program.words();
        await end(program, log);
        if (signal.aborted) {
          // Given up on by the supervisor: what the program said while no frame came is the best clue there is.
          if (signal.reason instanceof CameraError && words !== "") {
            throw cameraFault(words, `${basename(program.tool)} is silent`);
          }
          return;
        }
        if (fault !== undefined) throw fault;
        throw cameraFault(
          program.words(),
          `${basename(program.tool)} ended ${assembly.count() === 0 ? "before its first frame" : `after ${assembly.count()} frames`}`,
        );
      } finally {
        await program.dispose();
      }
    },
  };
}

/**
 * The size nearest to the one asked for at which a frame has no padding: the Pi 5's ISP aligns YUV420's rows to 128
 * bytes, the ones before to as much as 64, and rpicam-vid writes the padding out with the picture
 * (raspberrypi/rpicam-apps issue 857). One size for all: a configuration means the same on each.
 */
export function unpaddedSize(width: number, height: number): { width: number; height: number } {
  return {
    width: Math.max(128, Math.round(width / 128) * 128),
    height: Math.max(2, Math.round(height / 2) * 2),
  };
}

async function end(program: CameraProgram, log: Logger): Promise<void> {
  if (await program.stop(TERM_WITHIN, KILL_WITHIN)) return;
  log.warn(
    { tool: program.tool },
    "the camera program survived KILL: it is stuck in the kernel, only a reboot will free the camera",
  );
}

function abortOf(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** Buffers kept for the next frames: as many as are in the slot, in the pipeline's two stages and on their way. */
const SPARE_BUFFERS = 4;

/**
 * Cuts a stream of bytes into frames, in buffers that the bytes are read straight into. Whoever completes one frees
 * its buffer.
 */
function assembleFrames(frameBytes: number, complete: (bytes: Buffer, free: () => void) => void) {
  const spare: Buffer[] = [];
  let frame: Buffer = Buffer.allocUnsafeSlow(frameBytes);
  let at = 0;
  let frames = 0;
  return {
    space: () => frame.subarray(at),
    filled: (bytes: number) => {
      at += bytes;
      if (at < frameBytes) return;
      const whole = frame;
      frame = spare.pop() ?? Buffer.allocUnsafeSlow(frameBytes);
      at = 0;
      frames += 1;
      complete(whole, () => {
        if (spare.length < SPARE_BUFFERS) spare.push(whole);
      });
    },
    count: () => frames,
  };
}
