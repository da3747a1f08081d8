import { statSync } from "node:fs";
import { normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { authorityFault, describeAddress } from "../base/address.js";
import { describePipeline } from "../base/secrets.js";
import { ConfigError } from "./problem.js";

/** What a `source.uri` of type `video` means. */
export type VideoSource =
  | { readonly kind: "device"; readonly path: string }
  | {
      readonly kind: "stream";
      readonly url: string;
      /** With its colon. */
      readonly protocol: string;
      readonly host: string;
      /** Of TCP; null where there is none to connect to. */
      readonly port: number | null;
    }
  | {
      readonly kind: "pipeline";
      readonly pipeline: string;
      /** It reads a file: its end is no failure. */
      readonly recorded: boolean;
    }
  | { readonly kind: "file"; readonly path: string };

/** GStreamer's elements that read files, and the address of one. */
const FILE_READERS = /(^|\s)(filesrc|multifilesrc|splitmuxsrc|imagesequencesrc)\s|\suri="?file:/;

const PORTS: Readonly<Record<string, number>> = {
  rtsp: 554,
  rtsps: 322,
  http: 80,
  https: 443,
  rtmp: 1935,
  tcp: 0,
};

/** Folders of /dev that hold files and no devices. */
const NO_DEVICES = /^\/dev\/(shm|mqueue|hugepages|fd)\//;

/** How a path begins that is certainly one. */
const PATH_START = /^(\.{0,2}\/|~\/)/;

/** Addresses that are written with `//`; a single `/` or none is a slip. */
const NETWORK = /^(rtsps?|rtmps?|https?|udp|tcp|srt|rtp|mms|ftp):/i;

/**
 * Tells a device (`/dev/video0`, `0`), a network stream (`rtsp://…`), a GStreamer pipeline (elements joined by
 * ` ! `) and a file apart. What is there goes before what a name looks like.
 *
 * @throws ConfigError with the cure where it can be none of them
 */
export function parseVideoUri(uri: string): VideoSource {
  const fault = videoUriFault(uri);
  if (fault !== null) throw new ConfigError([{ path: "source.uri", message: fault }]);
  if (isPipeline(uri)) return { kind: "pipeline", pipeline: uri, recorded: FILE_READERS.test(uri) };
  if (/^\d{1,3}$/.test(uri) && kindOf(uri) === "nothing") return { kind: "device", path: `/dev/video${uri}` };
  const scheme = schemeOf(uri);
  if (scheme === undefined || scheme === "file") return deviceOrFile(filePath(uri));
  const { hostname, port } = new URL(uri);
  const connects = PORTS[scheme];
  return {
    kind: "stream",
    url: uri,
    protocol: `${scheme}:`,
    host: hostname.replace(/^\[(.*)\]$/, "$1"),
    port: port !== "" ? (connects === undefined ? null : Number(port)) : connects || null,
  };
}

/**
 * What makes a `source.uri` of type `video` unusable whatever the machine has.
 *
 * @returns the cure, to stand after the key's name, without a word of the uri that may be secret; null where nothing
 * is wrong
 */
export function videoUriFault(uri: string): string | null {
  if (uri.includes("\0")) return "must have no NUL character in it";
  if (isPipeline(uri)) return null;
  const scheme = schemeOf(uri);
  if (scheme === "file") return fileUrlFault(uri);
  if (scheme !== undefined) {
    const fault = authorityFault(uri);
    if (fault !== null) return fault;
    return URL.canParse(uri) && (new URL(uri).hostname !== "" || PORTS[scheme] === undefined)
      ? null
      : `must be an address such as ${scheme}://camera.lan${PORTS[scheme] ? `:${PORTS[scheme]}` : ""}/stream`;
  }
  const network = NETWORK.exec(uri)?.[1];
  if (network !== undefined && kindOf(uri) === "nothing") {
    return `must have // after ${network}: to be an address; a file of this name is written ./${network}:…`;
  }
  return null;
}

function schemeOf(uri: string): string | undefined {
  if (/^file:/i.test(uri) && kindOf(uri) === "nothing") return "file";
  return /^([a-z][a-z0-9+.-]*):\/\//i.exec(uri)?.[1]?.toLowerCase();
}

/** Elements joined by `!`, and no file whose name has one in it. */
function isPipeline(uri: string): boolean {
  if (!/\s!\s/.test(uri) || PATH_START.test(uri) || /^file:/i.test(uri)) return false;
  if (kindOf(uri) !== "nothing") return false;
  const last = uri.slice(uri.lastIndexOf("!"));
  // No element has a file's extension.
  return last.includes("=") || !/\.[a-z]\w{1,3}\s*$/i.test(last);
}

function kindOf(path: string): "device" | "other" | "nothing" {
  try {
    return statSync(path).isCharacterDevice() ? "device" : "other";
  } catch {
    // A pipeline is too long for a name; what may not be looked at is told when it is opened.
    return "nothing";
  }
}

function deviceOrFile(path: string): VideoSource {
  const plain = normalize(path);
  const kind = kindOf(plain);
  const isDevice =
    kind === "device" || (kind === "nothing" && plain.startsWith("/dev/") && !NO_DEVICES.test(plain));
  if (isDevice) return { kind: "device", path: plain };
  // FFmpeg takes what stands before a colon for a protocol, unless there is a slash.
  return { kind: "file", path: path.includes(":") && !path.startsWith("/") ? `./${plain}` : path };
}

/** The path that a uri without host means: `clip.mp4`, `file:///clip.mp4`, `file:clip.mp4`. */
function filePath(uri: string): string {
  if (!/^file:/i.test(uri) || kindOf(uri) !== "nothing") return uri;
  return /^file:\//i.test(uri) ? fileURLToPath(uri) : uri.slice("file:".length);
}

function fileUrlFault(uri: string): string | null {
  if (!/^file:\//i.test(uri)) return uri.length > "file:".length ? null : "must name a file after file:";
  if (URL.canParse(uri)) {
    const { hostname } = new URL(uri);
    if (hostname !== "") {
      return `must name a file of this machine: file://${hostname} names a machine called ${hostname}; write the path alone, or file:///folder/clip.mp4 with three slashes`;
    }
  }
  try {
    const path = fileURLToPath(uri);
    if (path.includes("\0")) return "must have no NUL character in it";
    return path === "/" ? "must name a file after file://" : null;
  } catch (error) {
    const cure =
      error instanceof URIError
        ? "a file's name must be UTF-8 (convmv renames files that have others)"
        : "a % that is part of a name is written %25, and a / cannot be part of one";
    return `must be a file's path that can be read: ${cure}; or write the path alone`;
  }
}

/** Whether it has an end and waits for whoever reads it; all else is live. */
export const isRecorded = (source: VideoSource): boolean =>
  source.kind === "file" || (source.kind === "pipeline" && source.recorded);

/** For logs and errors: of a URL what is no secret, of a pipeline its elements without their properties. */
export function describeVideo(source: VideoSource): string {
  switch (source.kind) {
    case "device":
    case "file":
      return source.path;
    case "stream":
      return describeAddress(source.url);
    case "pipeline":
      return `GStreamer ${describePipeline(source.pipeline)}`;
  }
}
