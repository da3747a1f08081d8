import type { Size } from "../draw/pencil.js";

/** Sinks by name, and the GStreamer pipelines that they stand for. Pure: text in, text out. */

export const NAMED_SINKS = ["kms", "framebuffer", "wayland", "x11"] as const;
export type NamedSink = (typeof NAMED_SINKS)[number];

export type Sink =
  | { readonly kind: "none" }
  | { readonly kind: "auto" }
  | { readonly kind: NamedSink }
  | { readonly kind: "custom"; readonly pipeline: string };

/** The GStreamer element of each named sink. */
export const ELEMENT_OF: Readonly<Record<NamedSink, string>> = {
  kms: "kmssink",
  framebuffer: "fbdevsink",
  wayland: "waylandsink",
  x11: "ximagesink",
};

/** The order in which `auto` tries: a bare console first, since there nobody else draws. */
export const AUTO_ORDER: readonly NamedSink[] = ["kms", "wayland", "x11", "framebuffer"];

/** What `display.sink` says. Anything that is no name is a pipeline. */
export function parseSink(text: string): Sink {
  const name = text.trim();
  if (name === "none" || name === "auto") return { kind: name };
  const named = NAMED_SINKS.find((sink) => sink === name);
  return named === undefined ? { kind: "custom", pipeline: name } : { kind: named };
}

/** Where pictures go, with all that is known about it. */
export type Output =
  | {
      readonly kind: "kms";
      /** The size of the pictures that are sent. */
      readonly canvas: Size;
      /** The DRM device of the connected monitor. */
      readonly card: string;
      /** The kernel's name of its driver, for a GStreamer that takes no file descriptor. */
      readonly driver: string | undefined;
      readonly connectorId: number | undefined;
      /** Whether the driver has planes that scale; without one the sink sets a mode of the monitor's own. */
      readonly scales: boolean;
      /** The connector's status file; watched for the monitor being unplugged. */
      readonly statusFile: string;
    }
  | {
      readonly kind: "framebuffer";
      readonly canvas: Size;
      readonly device: string;
      readonly screen: Size | undefined;
    }
  | { readonly kind: "wayland" | "x11"; readonly canvas: Size }
  | { readonly kind: "custom"; readonly canvas: Size; readonly pipeline: string };

/** The child's descriptor of the DRM device. */
export const DRM_DESCRIPTOR = 3;

/** DRM driver names where they differ from the kernel's name of the device driver. */
const DRM_DRIVERS: Readonly<Record<string, string>> = {
  "vc4-drm": "vc4",
  vc4_drm: "vc4",
  "drm-tegra": "tegra",
  drm: "tegra",
  "virtio-pci": "virtio_gpu",
};

export interface GStreamerVersion {
  readonly major: number;
  readonly minor: number;
}

/** Reads the version out of what `gst-launch-1.0 --version` prints. */
export function parseVersion(text: string): GStreamerVersion | undefined {
  const found = /GStreamer (\d+)\.(\d+)/.exec(text);
  return found === null ? undefined : { major: Number(found[1]), minor: Number(found[2]) };
}

export interface LaunchOptions {
  readonly gstreamer: GStreamerVersion;
}

/** The arguments of gst-launch-1.0 that read raw BGR pictures from stdin and show them on an output. */
export function launchArguments(output: Output, options: LaunchOptions): string[] {
  const { width, height } = output.canvas;
  const frame = width * height * 3;
  // Left to itself rawvideoparse takes rows for padded to a multiple of 4 bytes; the canvas has them end to end.
  const packed = [`plane-strides=<${width * 3}>`, "plane-offsets=<0>"];
  return [
    // fdsrc reads 4 KiB at a time unless told, which is 700 wake-ups a picture.
    ["fdsrc", "fd=0", `blocksize=${frame}`],
    ["rawvideoparse", "format=bgr", `width=${width}`, `height=${height}`, "framerate=30/1", ...packed],
    ["videoconvert"],
    ["videoscale", "add-borders=true"],
    ...tail(output, options),
  ].flatMap((element, index) => (index === 0 ? element : ["!", ...element]));
}

/**
 * Whether kmssink takes an open device (`fd`), which finds every driver and card; older ones know some names only.
 */
export function isModern({ major, minor }: GStreamerVersion): boolean {
  return major > 1 || minor >= 22;
}

function tail(output: Output, { gstreamer }: LaunchOptions): string[][] {
  switch (output.kind) {
    case "kms": {
      const sink = [ELEMENT_OF.kms, "sync=false"];
      if (isModern(gstreamer)) sink.push(`fd=${DRM_DESCRIPTOR}`);
      else if (output.driver !== undefined) {
        sink.push(`driver-name=${DRM_DRIVERS[output.driver] ?? output.driver}`);
      }
      if (output.connectorId !== undefined) sink.push(`connector-id=${output.connectorId}`);
      // Else kmssink waits for a vertical blank, which virtual and simple displays have not, and ends at its first
      // picture; a page flip they all have.
      if (!output.scales) sink.push("force-modesetting=true");
      return [sink];
    }
    case "framebuffer": {
      const sink = [ELEMENT_OF.framebuffer, "sync=false", `device=${output.device}`];
      if (output.screen === undefined) return [sink];
      const { width, height } = output.screen;
      return [[`video/x-raw,width=${width},height=${height},pixel-aspect-ratio=1/1`], sink];
    }
    case "wayland": {
      const sink = [ELEMENT_OF.wayland, "sync=false"];
      // A monitor, not a window: the desktop's panel would hide the picture's foot.
      if (isModern(gstreamer)) sink.push("fullscreen=true");
      return [sink];
    }
    case "x11":
      return [[ELEMENT_OF.x11, "sync=false"]];
    case "custom":
      return [splitArguments(output.pipeline)];
  }
}

/** Splits a pipeline at blanks outside quotes, as a shell would; gst-launch wants its words apart. */
export function splitArguments(pipeline: string): string[] {
  return pipeline.match(/(?:"(?:\\.|[^"\\])*"|'[^']*'|[^\s"'])+/g) ?? [];
}

/**
 * The size to draw at for a screen: its shape, and no more pixels than are worth their cost. At 1280×720 text is
 * sharp from where one reads it, and a Pi draws and pipes a third of what 1080p would take; the sink scales the rest.
 */
export function canvasFor(screen: Size, most: Size = DEFAULT_CANVAS): Size {
  const scale = Math.min(1, Math.sqrt((most.width * most.height) / (screen.width * screen.height)));
  const even = (length: number) => Math.max(2, Math.round((length * scale) / 2) * 2);
  return scale === 1 ? screen : { width: even(screen.width), height: even(screen.height) };
}

export const DEFAULT_CANVAS: Size = { width: 1280, height: 720 };
export const LARGEST_CANVAS: Size = { width: 1920, height: 1200 };
