import type { VideoSource } from "../../config/video-uri.js";
import type { CaptureOrder } from "./capture-protocol.js";

/** Milliseconds for a stream's host to answer; and, inside FFmpeg, for each of its reads and writes: at least. */
const NETWORK_WITHIN = 4_000;

/** How OpenCV opens a source. */
export interface CaptureRoute {
  readonly kind: CaptureOrder["kind"];
  readonly address: string;
  /** The pipeline, where GStreamer reads the source; else null. */
  readonly pipeline: string | null;
  /** What the process that reads it finds in its environment. */
  readonly environment: NodeJS.ProcessEnv;
}

export interface RouteOptions {
  /** OpenCV's build information, which names what it is built with. */
  readonly build: string;
  /** Frames a second that the camera is asked for. */
  readonly framerate: number;
  /** Whether FFmpeg is to look longer at a stream before it decides what it is. */
  readonly lookLonger?: boolean;
  /** What a web server says the stream is; null where that is not known. */
  readonly contentType?: string | null;
}

/**
 * Films and streams are read by FFmpeg where OpenCV has it, and by GStreamer where it has not, as in the package:
 * FFmpeg's libraries differ between distributions, GStreamer's do not.
 */
export function captureRoute(
  video: VideoSource,
  { build, framerate, lookLonger = false, contentType = null }: RouteOptions,
): CaptureRoute {
  const common = { MALLOC_ARENA_MAX: "2", UV_THREADPOOL_SIZE: "2" };
  if (video.kind === "device") {
    const patience = { OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT: String(deviceTimeout(framerate)) };
    return {
      kind: "device",
      address: video.path,
      pipeline: null,
      // What the owner has set goes before.
      environment: { ...common, ...patience, ...process.env },
    };
  }
  const pipeline = gstreamerPipeline(video, build, contentType);
  if (pipeline !== null) {
    return { kind: "pipeline", address: pipeline, pipeline, environment: { ...common, ...gstreamerWords() } };
  }
  // Through OpenCV's own hands FFmpeg's words carry their level; and the decoder tells a new size.
  const words = { OPENCV_FFMPEG_DEBUG: "1", OPENCV_FFMPEG_LOGLEVEL: "40" };
  const options = video.kind === "stream" ? streamOptions(video.url, build, framerate, lookLonger) : {};
  return {
    kind: video.kind,
    address: addressOf(video),
    pipeline: null,
    environment: { ...common, ...words, ...options, ...process.env },
  };
}

function addressOf(video: Exclude<VideoSource, { kind: "device" }>): string {
  if (video.kind === "stream") return video.url;
  return video.kind === "pipeline" ? video.pipeline : video.path;
}

/** OpenCV tells what an element reports, GStreamer's parser what it cannot read. */
function gstreamerWords(): NodeJS.ProcessEnv {
  return {
    ...process.env,
    OPENCV_LOG_LEVEL: "WARNING",
    GST_DEBUG: "GST_PIPELINE:1",
    GST_DEBUG_NO_COLOR: "1",
    GST_DEBUG_FILE: "",
  };
}

/** @returns null where FFmpeg is to read it */
function gstreamerPipeline(
  video: Exclude<VideoSource, { kind: "device" }>,
  build: string,
  contentType: string | null,
): string | null {
  if (video.kind === "pipeline") return video.pipeline;
  if (hasFfmpeg(build)) return null;
  const picture = "videoconvert ! video/x-raw,format=BGR ! appsink max-buffers=1 sync=false";
  if (video.kind === "file") {
    return `filesrc location=${quoted(video.path)} ! decodebin ! videoflip video-direction=auto ! ${picture}`;
  }
  return `${streamElements(video.url, contentType)} ! ${picture} drop=true`;
}

/** Sound is not decoded. RTSP goes over TCP: lost UDP packets are grey faces. */
function streamElements(url: string, contentType: string | null): string {
  const pictures = 'expose-all-streams=false caps="video/x-raw(ANY)"';
  // `uridecodebin` would fill a buffer of megabytes before the first picture of an HTTP stream.
  if (/^https?:/i.test(url)) {
    // Where it is not told that there is one stream alone, `decodebin` waits some eight seconds for others.
    const parts = /^multipart\//i.test(contentType ?? "") ? " ! multipartdemux single-stream=true" : "";
    return `souphttpsrc location=${quoted(url)} is-live=true do-timestamp=true${parts} ! decodebin ${pictures}`;
  }
  return `uridecodebin uri=${quoted(url.replace(/^rtsp(s?):/i, "rtsp$1t:"))} ${pictures}`;
}

/** @param build OpenCV's build information */
export function hasFfmpeg(build: string): boolean {
  return /FFMPEG:\s+YES/.test(build);
}

/** As a value in a pipeline's description. */
function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, "\\$&")}"`;
}

/**
 * Seconds that OpenCV waits for a device's frame. Its own ten are longer than the supervisor's patience: the read would
 * hold a thread, and the device, while the next attempt is made. A camera that is asked for slow frames gets longer.
 */
export function deviceTimeout(framerate: number): number {
  return Math.max(4, Math.ceil(3 / framerate));
}

/** Milliseconds: a camera that is asked for slow frames may be silent for longer between them. */
export function networkWithin(framerate: number): number {
  return Math.max(NETWORK_WITHIN, Math.ceil(3_000 / framerate));
}

function streamOptions(
  url: string,
  build: string,
  framerate: number,
  lookLonger: boolean,
): NodeJS.ProcessEnv {
  const longer = lookLonger ? "|analyzeduration;25000000|probesize;50000000" : "";
  return { OPENCV_FFMPEG_CAPTURE_OPTIONS: `${ffmpegOptions(url, build, framerate)}${longer}` };
}

/**
 * Options that bound what FFmpeg may wait for a stream. RTSP goes over TCP: lost UDP packets are grey faces. Its
 * time-out is `stimeout` before FFmpeg 5, where `timeout` means waiting for a caller.
 *
 * @param build OpenCV's build information, which names FFmpeg's libavformat
 * @param framerate frames a second that the camera is asked for
 */
export function ffmpegOptions(url: string, build: string, framerate: number): string {
  const microseconds = networkWithin(framerate) * 1000;
  if (!/^rtsps?:/i.test(url)) return `rw_timeout;${microseconds}`;
  const libavformat = Number(/avformat:\s+YES \((\d+)\./.exec(build)?.[1] ?? 59);
  return `rtsp_transport;tcp|${libavformat < 59 ? "stimeout" : "timeout"};${microseconds}`;
}
