import type { SourceConfig } from "../config/schema.js";
import { cv, type Mat } from "../vision/opencv.js";
import { type Camera, CameraError } from "./camera.js";
import type { FrameMaker } from "./frame-maker.js";
import { mediaClock, thisMoment } from "./moment.js";
import { createPace } from "./pace.js";
import { needGStreamer, PIPELINE_CURE, PIPELINE_END, probePipeline } from "./pipeline-probe.js";
import { reach } from "./reach.js";
import {
  checkVideoDevice,
  checkVideoFile,
  describeVideo,
  isRecorded,
  parseVideoUri,
  type VideoSource,
} from "./video-source.js";

type VideoCapture = InstanceType<typeof cv.VideoCapture>;

/** Milliseconds for a stream's host to answer; and, inside FFmpeg, for each of its reads and writes. */
const NETWORK_WITHIN = 4_000;

/** What the owner wants FFmpeg to do goes before what we want. */
const OWNERS_OPTIONS = process.env.OPENCV_FFMPEG_CAPTURE_OPTIONS;

/** OpenCV's types of BGR, BGRx and grey pictures. */
const READABLE: readonly number[] = [cv.CV_8UC3, cv.CV_8UC4, cv.CV_8UC1];

export interface VideoOptions {
  readonly source: SourceConfig;
  readonly frames: FrameMaker;
}

/**
 * Whatever OpenCV's VideoCapture opens: a V4L2 device, an RTSP or HTTP stream, a video file, or a GStreamer
 * pipeline. Frames larger than `width` × `height` are scaled down to fit inside.
 *
 * The CSI camera of a Jetson comes in as a pipeline:
 *
 *     nvarguscamerasrc ! video/x-raw(memory:NVMM),width=1280,height=720,framerate=30/1 ! nvvidconv ! video/x-raw,format=BGRx ! videoconvert ! video/x-raw,format=BGR ! appsink drop=true max-buffers=1
 */
export function createVideo({ source, frames }: VideoOptions): Camera {
  const video = parseVideoUri(source.uri);
  const description = describeVideo(video);
  const mediaTime = mediaClock();
  let shown = 0;
  /** A read that an earlier attempt gave up on; it holds a thread of libuv's pool. */
  let hanging: Promise<unknown> | undefined;

  const readNext = (capture: VideoCapture): Promise<Mat> => {
    const read = capture.readAsync();
    const over = read.then(
      () => undefined,
      () => undefined,
    );
    hanging = over;
    void over.then(() => {
      if (hanging === over) hanging = undefined;
    });
    return read;
  };

  /** @returns how many frames it delivered until the end */
  const playOnce = async (deliver: Parameters<Camera["run"]>[0], signal: AbortSignal): Promise<number> => {
    const capture = await open(video, source, description, signal);
    if (capture === null) return 0;
    let count = 0;
    try {
      const rate = frameRate(capture, source);
      const pace = createPace(1000 / rate);
      while (!signal.aborted) {
        const picture = await readNext(capture);
        if (signal.aborted || picture.empty) {
          picture.release();
          break;
        }
        if (count === 0) refuseUnreadable(picture, capture, video, description);
        const fitted = await fitInside(picture, source.width, source.height);
        // A file is paced after decoding, so that a frame is ready when it is due.
        if (video.kind === "file" && source.realtime) await pace(signal);
        if (signal.aborted) {
          fitted.release();
          break;
        }
        const taken = source.realtime || !isRecorded(video) ? thisMoment() : mediaTime(shown / rate);
        const frame = await frames.fromColour(fitted, taken);
        shown += 1;
        count += 1;
        await deliver(frame);
      }
    } finally {
      capture.release();
    }
    return count;
  };

  return {
    description,
    interval: 1000 / source.framerate,
    run: async (deliver, signal) => {
      if (hanging !== undefined) {
        throw new CameraError(
          `${description}: the driver has not answered since the last attempt; unplug it, or reboot`,
        );
      }
      do {
        const count = await playOnce(deliver, signal);
        if (signal.aborted) return;
        if (count === 0)
          throw new CameraError(`${description} opened, but has no frame in it that can be decoded`);
        if (!isRecorded(video)) {
          const hint = video.kind === "device" ? "; is it still plugged in?" : "";
          throw new CameraError(`${description} ended after ${count} frames${hint}`);
        }
      } while (source.loop);
    },
  };
}

/** @returns null when the signal aborted before */
async function open(
  video: VideoSource,
  source: SourceConfig,
  description: string,
  signal: AbortSignal,
): Promise<VideoCapture | null> {
  switch (video.kind) {
    case "file": {
      await checkVideoFile(video.path);
      if (signal.aborted) return null;
      return openCapture(
        video.path,
        // The other backends would each have a loud try at a file that FFmpeg cannot read.
        /FFMPEG:\s+YES/.test(cv.getBuildInformation()) ? cv.CAP_FFMPEG : cv.CAP_ANY,
        `${description} is no video that OpenCV can read; \`ffmpeg -i\` shows what it is, and can convert it`,
      );
    }
    case "device": {
      await checkVideoDevice(video.path);
      if (signal.aborted) return null;
      // Read by OpenCV at the first frame of all.
      process.env.OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT ??= String(deviceTimeout(source.framerate));
      const capture = openCapture(
        video.path,
        cv.CAP_V4L2,
        `${description} does not open: another program may be using it (\`sudo fuser -v ${video.path}\` names it), or it is no camera (\`v4l2-ctl --list-devices\`)`,
      );
      // Uncompressed, most USB cameras reach their frame rate at 640 × 480 only.
      if (source.width * source.height > 640 * 480) {
        await capture.setAsync(cv.CAP_PROP_FOURCC, fourcc("MJPG"));
      }
      await capture.setAsync(cv.CAP_PROP_FRAME_WIDTH, source.width);
      await capture.setAsync(cv.CAP_PROP_FRAME_HEIGHT, source.height);
      await capture.setAsync(cv.CAP_PROP_FPS, source.framerate);
      return capture;
    }
    case "stream": {
      if (video.port !== null) {
        try {
          const { protocol, host, port } = video;
          await reach({ protocol, host, port }, NETWORK_WITHIN, signal);
        } catch (error) {
          if (signal.aborted) return null;
          throw error;
        }
      }
      if (signal.aborted) return null;
      // The address holds the password; FFmpeg alone is asked, for GStreamer prints it when it fails.
      process.env.OPENCV_FFMPEG_CAPTURE_OPTIONS =
        OWNERS_OPTIONS ?? ffmpegOptions(video.url, cv.getBuildInformation());
      return openCapture(
        video.url,
        cv.CAP_FFMPEG,
        `${description} does not open: check the path, user and password in source.uri (\`ffplay <uri>\` shows whether it plays)`,
      );
    }
    case "pipeline": {
      const { pipeline } = video;
      needGStreamer(description, cv.getBuildInformation());
      if (!video.recorded) {
        await probePipeline({ pipeline, description, interval: 1000 / source.framerate }, signal);
        if (signal.aborted) return null;
      }
      return openCapture(
        pipeline,
        cv.CAP_GSTREAMER,
        `the pipeline ${description} does not start: ${PIPELINE_CURE}`,
      );
    }
  }
}

/** Opening blocks: OpenCV's bindings have no asynchronous way. */
function openCapture(address: string, backend: number, otherwise: string): VideoCapture {
  try {
    return new cv.VideoCapture(address, backend);
  } catch {
    // OpenCV's own message says "failed to open capture", whatever the reason.
    throw new CameraError(otherwise);
  }
}

/**
 * Seconds that OpenCV waits for a device's frame. Its own ten are longer than the supervisor's patience: the read would
 * hold a thread, and the device, while the next attempt is made. A camera that is asked for slow frames gets longer.
 */
export function deviceTimeout(framerate: number): number {
  return Math.max(4, Math.ceil(3 / framerate));
}

/**
 * Options that bound what FFmpeg may wait for a stream. RTSP goes over TCP: lost UDP packets are grey faces. Its
 * time-out is `stimeout` before FFmpeg 5, where `timeout` means waiting for a caller.
 *
 * @param build OpenCV's build information, which names FFmpeg's libavformat
 */
export function ffmpegOptions(url: string, build: string): string {
  const microseconds = NETWORK_WITHIN * 1000;
  if (!/^rtsps?:/i.test(url)) return `rw_timeout;${microseconds}`;
  const libavformat = Number(/avformat:\s+YES \((\d+)\./.exec(build)?.[1] ?? 59);
  return `rtsp_transport;tcp|${libavformat < 59 ? "stimeout" : "timeout"};${microseconds}`;
}

/** Frames a second: what the file says, or the configuration when it says nonsense. */
function frameRate(capture: VideoCapture, source: SourceConfig): number {
  const rate = capture.get(cv.CAP_PROP_FPS);
  return Number.isFinite(rate) && rate >= 0.1 && rate <= 1000 ? rate : source.framerate;
}

/**
 * GStreamer hands over what the pipeline makes: the planes of NV12 and I420 as one channel of half as many rows more,
 * a JPEG as one row. Taken for grey, the chroma would be part of the picture, and every box would be wrong.
 *
 * @throws CameraError with the cure; then the picture is released
 */
function refuseUnreadable(
  picture: Mat,
  capture: VideoCapture,
  video: VideoSource,
  description: string,
): void {
  const { rows, cols, type } = picture;
  const height = capture.get(cv.CAP_PROP_FRAME_HEIGHT);
  const whole = video.kind !== "pipeline" || type !== cv.CV_8UC1 || rows === height;
  if (whole && READABLE.includes(type)) return;
  picture.release();
  throw new CameraError(
    `${description} delivers pictures in a format that is neither BGR, BGRx nor GRAY8 (OpenCV's type ${type}, ${cols} × ${rows} for a height of ${height}): the pipeline must end in ${PIPELINE_END}`,
  );
}

async function fitInside(picture: Mat, width: number, height: number): Promise<Mat> {
  const scale = Math.min(width / picture.cols, height / picture.rows);
  if (scale >= 1) return picture;
  try {
    const size = new cv.Size(
      Math.max(1, Math.round(picture.cols * scale)),
      Math.max(1, Math.round(picture.rows * scale)),
    );
    return await picture.resizeAsync(size, 0, 0, cv.INTER_AREA);
  } finally {
    picture.release();
  }
}

function fourcc(code: string): number {
  return Buffer.from(code, "latin1").readInt32LE();
}
