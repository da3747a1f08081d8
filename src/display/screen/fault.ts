import { withoutSecrets } from "../../base/secrets.js";

/** What keeps a picture from the monitor. */
export type DisplayFaultCode =
  | "bad-pipeline"
  | "busy"
  | "missing-plugin"
  | "missing-tool"
  | "no-framebuffer"
  | "no-monitor"
  | "no-wayland"
  | "no-x11"
  | "permission"
  | "stuck"
  | "failed";

/** A fault a user meets; the message names the cure. */
export interface DisplayFault {
  readonly code: DisplayFaultCode;
  readonly message: string;
}

export const fault = (code: DisplayFaultCode, message: string): DisplayFault => ({
  code,
  message: withoutSecrets(message),
});

export const MISSING_TOOL = fault(
  "missing-tool",
  "gst-launch-1.0 is not installed: apt install gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-bad gstreamer1.0-x",
);

/** The service's sandbox hides every desktop's sockets, which no variable changes. */
export const ON_A_DESKTOP = 'the service needs the drop-in of "On a desktop" in systemd/README.md, too';

/** Debian's package of each element that a pipeline of ours may need. */
const PACKAGES: Readonly<Record<string, string>> = {
  kmssink: "gstreamer1.0-plugins-bad",
  fbdevsink: "gstreamer1.0-plugins-bad",
  waylandsink: "gstreamer1.0-plugins-bad",
  ximagesink: "gstreamer1.0-x",
  xvimagesink: "gstreamer1.0-x",
  glimagesink: "gstreamer1.0-gl",
  rawvideoparse: "gstreamer1.0-plugins-base",
  videoconvert: "gstreamer1.0-plugins-base",
  videoscale: "gstreamer1.0-plugins-base",
};

const GROUPS =
  "add the daemon's user to the groups video and render (sudo usermod -aG video,render USER), then restart it";

/** A GStreamer element that is not installed, and the package that brings it. */
export function missingElement(element: string): DisplayFault {
  const name = PACKAGES[element];
  return fault(
    "missing-plugin",
    name === undefined
      ? `GStreamer has no element ${element}: install the plugin that provides it (apt-file search libgst${element})`
      : `GStreamer has no element ${element}: apt install ${name}`,
  );
}

/** Names the fault behind what gst-launch wrote to stderr before it ended. */
export function explain(stderr: string, sink: string): DisplayFault {
  const missing = /no element "([^"]+)"/.exec(stderr)?.[1];
  if (missing !== undefined) return missingElement(missing);
  if (/erroneous pipeline|could not link|no property "/.test(stderr)) {
    return fault("bad-pipeline", `display.sink is no valid GStreamer pipeline: ${firstError(stderr)}`);
  }
  // The device was open to us before the child started: what the kernel then denies is the mode, to all but the
  // DRM master.
  if (sink === "kms" && /permission denied|not master|device or resource busy/i.test(stderr)) return BUSY;
  if (/permission denied/i.test(stderr)) return fault("permission", `no permission for ${sink}: ${GROUPS}`);
  if (/could not find a valid monitor|could not open DRM module/i.test(stderr)) {
    return NO_MONITOR;
  }
  if (sink === "x11" && /open display|could not initialise X/i.test(stderr)) {
    return fault(
      "no-x11",
      `the X server at DISPLAY=${process.env.DISPLAY ?? ""} does not answer: check that it runs and that XAUTHORITY lets this user in; ${ON_A_DESKTOP}`,
    );
  }
  if (
    sink === "wayland" &&
    (stderr === "" || /GstWlDisplay|initialise Wayland|set pipeline to PAUSED/i.test(stderr))
  ) {
    return fault(
      "no-wayland",
      `the Wayland compositor does not answer: check WAYLAND_DISPLAY and XDG_RUNTIME_DIR; ${ON_A_DESKTOP}`,
    );
  }
  return fault("failed", firstError(stderr) || `gst-launch-1.0 ended without saying why (sink ${sink})`);
}

const BUSY = fault(
  "busy",
  `another process owns the display: stop the desktop (sudo systemctl isolate multi-user.target), or let it show the picture with display.sink wayland or x11; for this ${ON_A_DESKTOP}`,
);

/** No monitor, and what to do about it. */
export const NO_MONITOR = fault(
  "no-monitor",
  "no monitor is connected: plug one in (it is shown when it comes); for a monitor that is not recognised add video=HDMI-A-1:1280x720@60D to the kernel command line",
);

/** A device node that this user may not open. */
export const noPermission = (path: string): DisplayFault =>
  fault("permission", `no permission for ${path}: ${GROUPS}`);

function firstError(stderr: string): string {
  const lines = stderr.split("\n").map((text) => text.trim());
  const found =
    lines.find((text) => text.startsWith("ERROR")) ??
    lines.find((text) => /error|failed/i.test(text)) ??
    lines.find((text) => text !== "");
  return (
    withoutSecrets(found ?? "")
      .replace(/^ERROR:\s*/, "")
      // A property's value may be anything.
      .replace(/( in element "[^"]*" to) ".*"/, '$1 "…"')
      .slice(0, 300)
  );
}
