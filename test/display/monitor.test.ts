import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { isPluggedIn, type Machine, probe } from "../../src/display/screen/monitor.js";

let root: string;
let machine: Machine;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "monitor-"));
  machine = { sys: join(root, "sys"), dev: join(root, "dev"), env: {} };
});
afterEach(() => rmSync(root, { recursive: true }));

function put(path: string, text: string) {
  const file = join(root, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

function connector(name: string, status: string, modes = "") {
  put(`sys/class/drm/${name}/status`, `${status}\n`);
  put(`sys/class/drm/${name}/modes`, modes);
}

function card(name: string, driver: string) {
  put(`dev/dri/${name}`, "");
  const folder = join(root, "sys/class/drm", name, "device");
  mkdirSync(folder, { recursive: true });
  symlinkSync(`../../../bus/platform/drivers/${driver}`, join(folder, "driver"));
}

describe("kms", () => {
  it("takes the connected connector of whichever card has one, as a Pi 5 with two cards has", () => {
    card("card0", "v3d");
    card("card1", "vc4-drm");
    connector("card1-HDMI-A-1", "disconnected");
    connector("card1-HDMI-A-2", "connected", "1920x1080\n1280x720\n");
    expect(probe("kms", machine)).toMatchObject({
      output: {
        kind: "kms",
        card: join(root, "dev/dri/card1"),
        driver: "vc4-drm",
        canvas: { width: 1280, height: 720 },
        scales: true,
      },
    });
  });

  it("draws at the monitor's own size where the driver cannot scale", () => {
    card("card0", "virtio_gpu");
    connector("card0-Virtual-1", "connected", "1280x800\n");
    expect(probe("kms", machine)).toMatchObject({
      output: { canvas: { width: 1280, height: 800 }, scales: false },
    });
  });

  it("passes the connector's number on where the kernel tells it", () => {
    card("card0", "vc4-drm");
    connector("card0-DSI-1", "connected", "800x480\n");
    put("sys/class/drm/card0-DSI-1/connector_id", "45\n");
    expect(probe("kms", machine)).toMatchObject({
      output: { connectorId: 45, canvas: { width: 800, height: 480 } },
    });
  });

  it("says so when nothing is plugged in, and sees it when it is", () => {
    card("card0", "vc4-drm");
    connector("card0-HDMI-A-1", "disconnected");
    expect(probe("kms", machine)).toMatchObject({
      fault: { code: "no-monitor", message: expect.stringContaining("no monitor is connected") },
    });
    connector("card0-HDMI-A-1", "connected", "1920x1080\n");
    const found = probe("kms", machine);
    if (!("output" in found)) throw new Error("no output");
    expect(isPluggedIn(found.output)).toBe(true);
    connector("card0-HDMI-A-1", "disconnected");
    expect(isPluggedIn(found.output)).toBe(false);
  });

  it("tells a machine without a DRM device what to set", () => {
    expect(probe("kms", machine)).toMatchObject({
      fault: { message: expect.stringContaining("vc4-kms-v3d") },
    });
  });

  it.skipIf(process.getuid?.() === 0)("names the groups when the device may not be opened", () => {
    card("card0", "vc4-drm");
    connector("card0-HDMI-A-1", "connected");
    chmodSync(join(root, "dev/dri/card0"), 0);
    expect(probe("kms", machine)).toMatchObject({ fault: { code: "permission" } });
  });

  it("names the groups when there is no such device for us", () => {
    connector("card0-HDMI-A-1", "connected");
    expect(probe("kms", machine)).toMatchObject({
      fault: { code: "permission", message: expect.stringContaining("video,render") },
    });
  });
});

describe("framebuffer", () => {
  it("takes the mode's size, not the virtual one that is twice as high", () => {
    put("dev/fb0", "");
    put("sys/class/graphics/fb0/mode", "U:800x480p-0\n");
    put("sys/class/graphics/fb0/virtual_size", "800,960\n");
    expect(probe("framebuffer", machine)).toMatchObject({
      output: { screen: { width: 800, height: 480 }, canvas: { width: 800, height: 480 } },
    });
  });

  it("does without a mode", () => {
    put("dev/fb0", "");
    put("sys/class/graphics/fb0/virtual_size", "1024,600\n");
    expect(probe("framebuffer", machine)).toMatchObject({ output: { screen: { width: 1024, height: 600 } } });
  });

  it("says when there is none", () => {
    expect(probe("framebuffer", machine)).toMatchObject({ fault: { code: "no-framebuffer" } });
  });
});

describe("x11 and wayland", () => {
  it("say which variable is missing", () => {
    expect(probe("x11", machine)).toMatchObject({
      fault: { code: "no-x11", message: expect.stringContaining("DISPLAY is not set") },
    });
    expect(probe("wayland", machine)).toMatchObject({
      fault: { code: "no-wayland", message: expect.stringContaining("WAYLAND_DISPLAY is not set") },
    });
  });

  it("say when the compositor is not there, or hidden by the service's sandbox", () => {
    const env = { WAYLAND_DISPLAY: "wayland-1", XDG_RUNTIME_DIR: root };
    const message = expect.stringMatching(/no Wayland compositor at .*the drop-in of "On a desktop"/);
    expect(probe("wayland", { ...machine, env })).toMatchObject({ fault: { code: "no-wayland", message } });
    put("wayland-1", "");
    expect(probe("wayland", { ...machine, env })).toMatchObject({ output: { kind: "wayland" } });
  });
});
