import { type Logger, silentLogger } from "../../base/logger.js";
import { cv } from "../../base/opencv.js";
import type { SourceConfig } from "../../config/schema.js";
import { describeVideo, isRecorded, parseVideoUri, type VideoSource } from "../../config/video-uri.js";
import { type Camera, CameraError } from "../camera.js";
import type { Frame } from "../frame.js";
import type { FrameMaker } from "../frame-maker.js";
import { createFreezeWatch, standsStill } from "../frozen.js";
import { type Moment, mediaClock, thisMoment } from "../moment.js";
import { createPlayback } from "../pace.js";
import { type CaptureProcess, startCapture } from "./capture-process.js";
import type { CaptureMessage } from "./capture-protocol.js";
import { type CaptureRoute, captureRoute, hasFfmpeg, networkWithin } from "./capture-route.js";
import { createLineLimit, decoderSize, readableLine, withoutAddress } from "./capture-words.js";
import { contentType } from "./content-type.js";
import { createMediaTime } from "./media-time.js";
import {
  needGStreamer,
  PIPELINE_CURE,
  PIPELINE_END,
  reasonIn,
  SILENT_AFTER,
  WAITS_FOR_PEER,
} from "./pipeline-probe.js";
import { reach } from "./reach.js";
import { checkVideoDevice, checkVideoFile } from "./video-check.js";

/**
 * Milliseconds for a stream's first frame. One that is joined in the middle of a long group of pictures has none
 * before its next key frame; a server that says nothing at all is given up on much earlier.
 */
const FIRST_FRAME_OF_STREAM = 65_000;

/** Milliseconds for a pipeline that listens until somebody calls. */
const CALL_WITHIN = 24 * 3_600_000;

/** A film's frames of which no more are missing than a container's count is wrong by are not worth a word. */
const MISCOUNT = 0.02;
/** More frames a second are no frame rate but a time base. */
const HIGHEST_RATE = 1_000;
const CREDIBLE_RATE = 240;

export interface VideoOptions {
  readonly source: SourceConfig;
  readonly frames: FrameMaker;
  readonly log?: Logger;
  /** OpenCV's build information, where it is not that of the OpenCV that is installed. */
  readonly build?: string;
}

/**
 * Whatever OpenCV's VideoCapture opens, in a process of its own: a V4L2 device, an RTSP or HTTP stream, a video file,
 * or a GStreamer pipeline. Frames larger than `width` × `height` are scaled down to fit inside.
 *
 * The CSI camera of a Jetson comes in as a pipeline:
 *
 *     nvarguscamerasrc ! video/x-raw(memory:NVMM),width=1280,height=720,framerate=30/1 ! nvvidconv ! video/x-raw,format=BGRx ! videoconvert ! video/x-raw,format=BGR ! appsink drop=true max-buffers=1
 */
export function createVideo({
  source,
  frames,
  log = silentLogger,
  build = cv.getBuildInformation(),
}: VideoOptions): Camera {
  const video = parseVideoUri(source.uri);
  const description = describeVideo(video);
  const recorded = isRecorded(video);
  const mediaTime = mediaClock();
  const freeze = createFreezeWatch();
  /** Seconds of media that were shown before this pass. */
  let shown = 0;
  /** What to do about an end that is none. */
  let slow = "";
  /** A stream whose parameters came too late is looked at for longer the next time. */
  let lookLonger = false;

  /** @returns how many frames it delivered until the end */
  const playOnce = async (deliver: Parameters<Camera["run"]>[0], signal: AbortSignal): Promise<number> => {
    try {
      await checkSource(video, source.framerate, description, signal);
    } catch (error) {
      if (signal.aborted) return 0;
      throw error;
    }
    if (signal.aborted) return 0;
    let size: string | null = null;
    let resized: string | null = null;
    const say = createLineLimit((line) => log.debug({ camera: description }, line));
    const asked =
      video.kind === "stream" && /^https?:/i.test(video.url) && !hasFfmpeg(build) ? video.url : null;
    const within = networkWithin(source.framerate);
    const type = asked === null ? null : await contentType(asked, within, signal);
    if (signal.aborted) return 0;
    const { framerate } = source;
    const route = captureRoute(video, { build, framerate, lookLonger, contentType: type });
    const capture = startCapture({
      kind: route.kind,
      environment: route.environment,
      onLine: (line) => {
        const told = decoderSize(line);
        size ??= told;
        if (told !== null && told !== size) resized = `${size} to ${told}`;
        const words = readableLine(line, video, route.pipeline);
        if (words !== null) say(words);
      },
    });
    const stop = () => void capture.stop();
    signal.addEventListener("abort", stop, { once: true });
    let count = 0;
    try {
      const opened = await open(capture, video, route, source, description);
      if (opened === null) return 0;
      const rate = frameRate(opened.rate, source);
      const media = createMediaTime(1 / rate);
      const playback = createPlayback();
      freeze.restart();
      let heardAt = performance.now();
      for (;;) {
        const message = await capture.next();
        const waited = performance.now() - heardAt;
        heardAt += waited;
        if (signal.aborted) break;
        // A new size is in no film's way: its decoder is another one then.
        if (resized !== null && !recorded) throw changed(description, resized);
        if (message?.kind === "frame") {
          const captured = capture.frame();
          if (captured === null) break;
          const { picture } = captured;
          const { width, height, channels, seconds, readAt } = message;
          const at = recorded ? media.at(seconds) : 0;
          if (video.kind === "file" && source.realtime) await playback(at, signal);
          if (signal.aborted) break;
          if (!recorded) {
            const frozen = freeze.check(picture, readAt);
            if (frozen !== null) throw standsStill(description, frozen);
          }
          const taken = recorded && !source.realtime ? mediaTime(shown + at) : arrival(readAt, recorded);
          let frame: Frame;
          try {
            frame = await frames.fromColour(new cv.Mat(picture, height, width, matType(channels)), taken);
          } finally {
            // A live source goes on while this frame is looked at; a film waits.
            if (!recorded) captured.done();
          }
          count += 1;
          await deliver(frame);
          captured.done();
          continue;
        }
        if (message?.kind === "end") {
          if (video.kind === "file") tellMissing(count, message.damaged, opened, description, log);
          slow = slowHint(video, waited, source.framerate);
          break;
        }
        if (message?.kind === "resized") throw changed(description, `${message.from} to ${message.to}`);
        if (message?.kind === "unreadable") throw unreadable(description, message);
        throw new CameraError(
          `OpenCV came to an end (${capture.ending()}) while it read ${description}, after ${count} frames`,
        );
      }
      shown += media.next();
    } finally {
      signal.removeEventListener("abort", stop);
      lookLonger = count === 0 && TOO_LATE_TO_KNOW.test(capture.words());
      await capture.stop();
    }
    return count;
  };

  return {
    description,
    interval: 1000 / source.framerate,
    ...(video.kind === "stream" ? { firstFrame: FIRST_FRAME_OF_STREAM } : {}),
    ...(video.kind === "pipeline" && WAITS_FOR_PEER.test(video.pipeline) ? { firstFrame: CALL_WITHIN } : {}),
    run: async (deliver, signal) => {
      do {
        const count = await playOnce(deliver, signal);
        if (signal.aborted) return;
        if (count === 0)
          throw new CameraError(
            `${description} opened, but has no frame in it that can be decoded${video.kind === "stream" ? "; are its key frames more than half a minute apart?" : ""}`,
          );
        if (!recorded) {
          const hint = video.kind === "device" ? "; is it still plugged in?" : "";
          throw new CameraError(`${description} ended after ${count} frames${hint}${slow}`);
        }
      } while (source.loop);
    },
  };
}

const TOO_LATE_TO_KNOW = /could not find codec parameters/i;

const changed = (description: string, sizes: string) =>
  new CameraError(`${description} changed the size of its pictures from ${sizes}; it is opened again`);

function matType(channels: number): number {
  return { 1: cv.CV_8UC1, 4: cv.CV_8UC4 }[channels] ?? cv.CV_8UC3;
}

/** Now, less the time since the frame was read. */
function arrival(readAt: number, recorded: boolean): Moment {
  const present = thisMoment();
  const age = recorded ? 0 : Math.max(0, Number(process.hrtime.bigint()) / 1e6 - readAt);
  return { takenAt: present.takenAt - age, steadyAt: present.steadyAt - age };
}

/**
 * What can be known without opening it.
 *
 * @throws CameraError with the cure
 */
async function checkSource(
  video: VideoSource,
  framerate: number,
  description: string,
  signal: AbortSignal,
): Promise<void> {
  switch (video.kind) {
    case "file":
      return checkVideoFile(video.path);
    case "device":
      return checkVideoDevice(video.path);
    case "stream": {
      const { protocol, host, port } = video;
      if (port !== null) await reach({ protocol, host, port }, networkWithin(framerate), signal);
      return;
    }
    case "pipeline":
      needGStreamer(description, cv.getBuildInformation());
  }
}

/**
 * @returns null when the capture was stopped before
 * @throws CameraError with the cure
 */
async function open(
  capture: CaptureProcess,
  video: VideoSource,
  route: CaptureRoute,
  source: SourceConfig,
  description: string,
): Promise<Extract<CaptureMessage, { kind: "opened" }> | null> {
  const recorded = isRecorded(video);
  let silent: NodeJS.Timeout | undefined;
  let late = false;
  let orderedAt = performance.now();
  const within = Math.max(SILENT_AFTER, 2 * (1000 / source.framerate));
  try {
    for (;;) {
      const message = await capture.next();
      if (message?.kind === "opened") return message;
      if (message?.kind === "ready") {
        const { width, height, framerate } = source;
        const { kind, address } = route;
        capture.order({ kind, address, recorded, timed: video.kind === "file", width, height, framerate });
        orderedAt = performance.now();
        if (video.kind === "pipeline" && !recorded && !WAITS_FOR_PEER.test(video.pipeline)) {
          silent = setTimeout(() => {
            late = true;
            void capture.stop();
          }, within);
        }
        continue;
      }
      const reason =
        route.pipeline === null
          ? ""
          : withoutAddress(reasonIn(capture.words(), route.pipeline), video, route.pipeline);
      const said = reason === "" ? "" : ` (GStreamer says: ${reason})`;
      if (late) {
        throw new CameraError(
          `${description} is silent: no frame within ${within / 1000} s${said}; check that its source is on and sends, and source.uri`,
        );
      }
      if (message === null && capture.ending() === null) return null;
      const crash = message === null ? capture.ending() : null;
      const slow = slowHint(video, performance.now() - orderedAt, source.framerate);
      throw new CameraError(unopened(video, description, said, crash) + decoderCure(reason) + slow);
    }
  } finally {
    clearTimeout(silent);
  }
}

/** FFmpeg waited in vain for as long as it may: a camera may be slower than that. */
function slowHint(video: VideoSource, waited: number, framerate: number): string {
  const within = networkWithin(framerate);
  if (video.kind !== "stream" || waited < within) return "";
  return `; a camera that sends a picture less often than every ${within / 1000} s needs its rate in source.framerate`;
}

/**
 * @param said what GStreamer says
 * @param crash how OpenCV's process ended, where it did
 */
function unopened(video: VideoSource, description: string, said: string, crash: string | null): string {
  const crashed = crash === null ? "" : ` (OpenCV came to an end over it: ${crash})`;
  switch (video.kind) {
    case "file":
      return `${description} is no video that OpenCV can read${crashed}; \`ffmpeg -i\` shows what it is, and can convert it`;
    case "device":
      return `${description} does not open${crashed}: another program may be using it (\`sudo fuser -v ${video.path}\` names it), or it is no camera (\`v4l2-ctl --list-devices\`)`;
    case "stream":
      return `${description} does not open${crashed}: check the path, user and password in source.uri (\`ffplay <uri>\` shows whether it plays)`;
    case "pipeline":
      return `the pipeline ${description} does not start${said}${crashed}: ${PIPELINE_CURE}`;
  }
}

/** What GStreamer says where an element for the format is missing. */
function decoderCure(reason: string): string {
  return /missing a plug-in|no suitable plugins|No decoder/i.test(reason)
    ? "; GStreamer has no decoder for it: sudo apt install gstreamer1.0-libav"
    : "";
}

/** Frames a second: what the file says, or the configuration when it says nonsense. */
function frameRate(rate: number, source: SourceConfig): number {
  return Number.isFinite(rate) && rate >= 0.1 && rate <= HIGHEST_RATE ? rate : source.framerate;
}

function unreadable(
  description: string,
  { type, width, height, expected }: Extract<CaptureMessage, { kind: "unreadable" }>,
): CameraError {
  return new CameraError(
    `${description} delivers pictures in a format that is neither BGR, BGRx nor GRAY8 (OpenCV's type ${type}, ${width} × ${height} for a height of ${expected}): the pipeline must end in ${PIPELINE_END}`,
  );
}

/** A damaged packet is skipped; a film that was cut short ends early. */
function tellMissing(
  shown: number,
  damaged: number,
  { rate, count }: Extract<CaptureMessage, { kind: "opened" }>,
  description: string,
  log: Logger,
): void {
  const counted = count > 0 && Number.isSafeInteger(count) && rate <= CREDIBLE_RATE;
  const short = counted ? count - shown : 0;
  const missing = damaged > 0 || short > Math.max(2, MISCOUNT * count) ? Math.max(damaged, short) : 0;
  if (missing === 0) return;
  log.warn(
    { camera: description, frames: shown, missing },
    `${missing} of ${shown + missing} frames are missing: the file is damaged, or was cut short; \`ffmpeg -v error -i FILE -f null -\` shows where`,
  );
}
