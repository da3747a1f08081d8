import type { VideoSource } from "../../config/video-uri.js";
import { withoutPipelineSecrets } from "./pipeline-probe.js";

/** FFmpeg's level of what is only told to those who look for faults. */
const FFMPEG_VERBOSE = 40;
const FFMPEG_LINE = /^\[OPENCV:FFMPEG:(\d+)\]\s*/;

/** Lines a second that are worth reading; a damaged stream has thousands. */
const LINES = 10;

/** Shorter, a word would be taken out of others. */
const SECRET_LENGTH = 3;

/** The picture's size that FFmpeg's decoder is set to from now on, where a line says so: "640x360". */
export function decoderSize(line: string): string | null {
  return /Reinit context to (\d+x\d+)/.exec(line)?.[1] ?? null;
}

/**
 * What a line printed by OpenCV's libraries tells people, without addresses, users and passwords; null where that is
 * nothing.
 *
 * @param pipeline the pipeline that reads it, if GStreamer does
 */
export function readableLine(
  line: string,
  video: VideoSource,
  pipeline: string | null = video.kind === "pipeline" ? video.pipeline : null,
): string | null {
  const level = Number(FFMPEG_LINE.exec(line)?.[1] ?? 0);
  if (level >= FFMPEG_VERBOSE) return null;
  const words = line.replace(FFMPEG_LINE, "").trim();
  return words === "" ? null : withoutAddress(words, video, pipeline);
}

/** Words of OpenCV's libraries without what an address or a pipeline has of secrets. */
export function withoutAddress(words: string, video: VideoSource, pipeline: string | null): string {
  let left = pipeline === null ? words : withoutPipelineSecrets(words, pipeline);
  if (video.kind !== "stream") return left;
  for (const secret of [video.url, ...placesIn(video.url)]) left = left.replaceAll(secret, "…");
  return withoutPipelineSecrets(left, video.url);
}

/** Where a secret may stand in an address, longest first: as it is written there, and decoded. */
function placesIn(url: string): string[] {
  if (!URL.canParse(url)) return [];
  const { username, password, pathname, search } = new URL(url);
  const places = [search, pathname, password, username].flatMap((place) => [place, decoded(place)]);
  return places.filter((place) => place.length >= SECRET_LENGTH).sort((a, b) => b.length - a.length);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * Passes on a few lines a second, and says how many it left out.
 *
 * @param now milliseconds of a clock that is never set
 */
export function createLineLimit(pass: (line: string) => void, now: () => number = () => performance.now()) {
  let second = Number.NEGATIVE_INFINITY;
  let passed = 0;
  let left = 0;
  return (line: string): void => {
    const at = now();
    if (at - second >= 1_000) {
      if (left > 0) pass(`${left} more lines in a second were left out`);
      second = at;
      passed = 0;
      left = 0;
    }
    if (passed < LINES) pass(line);
    else left += 1;
    passed += 1;
  };
}
