import { accessSync, constants, existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { basename, join } from "node:path";
import type { Size } from "../draw/pencil.js";
import { type DisplayFault, fault, NO_MONITOR, noPermission, ON_A_DESKTOP } from "./fault.js";
import { canvasFor, DEFAULT_CANVAS, LARGEST_CANVAS, type NamedSink, type Output } from "./sink.js";

/** Where the machine tells of its monitors; tests give folders of their own. */
export interface Machine {
  readonly sys: string;
  readonly dev: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export const THIS_MACHINE: Machine = { sys: "/sys", dev: "/dev", env: process.env };

export type Probe = { readonly output: Output } | { readonly fault: DisplayFault };

/** Looks whether a sink could work now, and how large its pictures should be. Reads a few small files. */
export function probe(sink: NamedSink, machine: Machine = THIS_MACHINE): Probe {
  switch (sink) {
    case "kms":
      return probeKms(machine);
    case "framebuffer":
      return probeFramebuffer(machine);
    case "x11":
      return machine.env.DISPLAY
        ? { output: { kind: "x11", canvas: DEFAULT_CANVAS } }
        : {
            fault: fault(
              "no-x11",
              `DISPLAY is not set: set it (DISPLAY=:0) for a running X server, or use display.sink kms; ${ON_A_DESKTOP}`,
            ),
          };
    case "wayland":
      return probeWayland(machine);
  }
}

function probeWayland({ env }: Machine): Probe {
  const name = env.WAYLAND_DISPLAY;
  if (!name) {
    return {
      fault: fault(
        "no-wayland",
        `WAYLAND_DISPLAY is not set: set it (WAYLAND_DISPLAY=wayland-0) with XDG_RUNTIME_DIR of the desktop's user, or use display.sink kms; ${ON_A_DESKTOP}`,
      ),
    };
  }
  const socket = name.startsWith("/") ? name : join(env.XDG_RUNTIME_DIR ?? "/nonexistent", name);
  if (existsSync(socket)) return { output: { kind: "wayland", canvas: DEFAULT_CANVAS } };
  return {
    fault: fault(
      "no-wayland",
      `no Wayland compositor at ${socket}: start the desktop, or set WAYLAND_DISPLAY and XDG_RUNTIME_DIR to its own; ${ON_A_DESKTOP}`,
    ),
  };
}

/**
 * Drivers whose planes scale for nothing, so that the smaller canvas fills the monitor. With the others kmssink
 * centres what it is given, and the canvas has to have the monitor's size.
 */
const SCALING_DRIVERS = new Set(["vc4-drm", "vc4_drm", "vc4", "i915", "amdgpu", "tegra", "drm-tegra"]);

function probeKms({ sys, dev }: Machine): Probe {
  const folder = join(sys, "class/drm");
  const connectors = list(folder).filter((name) => /^card\d+-/.test(name));
  const connected = connectors.find((name) => read(join(folder, name, "status")) === "connected");
  if (connected === undefined) {
    if (connectors.length > 0) return { fault: NO_MONITOR };
    return {
      fault: fault(
        "no-monitor",
        "no DRM device drives a monitor: on a Raspberry Pi set dtoverlay=vc4-kms-v3d in /boot/firmware/config.txt",
      ),
    };
  }
  const card = /^card\d+/.exec(connected)?.[0] ?? "card0";
  const device = join(dev, "dri", card);
  if (!isOpenable(device)) return { fault: noPermission(device) };
  const driver = driverOf(join(folder, card, "device/driver"));
  const screen = parseMode(read(join(folder, connected, "modes"))) ?? DEFAULT_CANVAS;
  const scales = driver !== undefined && SCALING_DRIVERS.has(driver);
  const id = Number.parseInt(read(join(folder, connected, "connector_id")), 10);
  return {
    output: {
      kind: "kms",
      canvas: canvasFor(screen, scales ? DEFAULT_CANVAS : LARGEST_CANVAS),
      card: device,
      driver,
      connectorId: Number.isNaN(id) ? undefined : id,
      scales,
      statusFile: join(folder, connected, "status"),
    },
  };
}

function probeFramebuffer({ sys, dev }: Machine): Probe {
  const device = join(dev, "fb0");
  if (!existsSync(device)) {
    return {
      fault: fault(
        "no-framebuffer",
        `${device} does not exist: use display.sink kms, or load a framebuffer driver`,
      ),
    };
  }
  if (!isOpenable(device)) return { fault: noPermission(device) };
  const folder = join(sys, "class/graphics/fb0");
  // virtual_size may be twice the screen's height, for page flips; the mode is what is shown.
  const screen =
    parseMode(read(join(folder, "mode")).replace(/^\w:/, "")) ??
    parseMode(read(join(folder, "virtual_size")).replace(",", "x"));
  const canvas = canvasFor(screen ?? DEFAULT_CANVAS);
  return { output: { kind: "framebuffer", canvas, device, screen } };
}

/** The first mode that a connector lists is the one its monitor prefers. */
function parseMode(text: string): Size | undefined {
  const found = /^(\d+)x(\d+)/.exec(text);
  if (found === null) return undefined;
  const size = { width: Number(found[1]), height: Number(found[2]) };
  return size.width >= 64 && size.height >= 64 ? size : undefined;
}

/** Whether the monitor that an output was made for is still plugged in. */
export function isPluggedIn(output: Output): boolean {
  return output.kind !== "kms" || read(output.statusFile) === "connected";
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return "";
  }
}

function isOpenable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function driverOf(link: string): string | undefined {
  try {
    return basename(readlinkSync(link));
  } catch {
    return undefined;
  }
}
