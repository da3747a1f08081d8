import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { explain } from "../../src/display/screen/fault.js";

describe("explain", () => {
  it("leads out of the service's sandbox where a desktop's socket is hidden, by a heading that is there", () => {
    const readme = readFileSync(join(import.meta.dirname, "..", "..", "systemd", "README.md"), "utf8");
    expect(readme).toMatch(/^## On a desktop$/m);
    for (const { message } of [
      explain("Could not open display", "x11"),
      explain("", "wayland"),
      explain("Failed to set mode: Permission denied", "kms"),
    ])
      expect(message).toContain('the drop-in of "On a desktop" in systemd/README.md');
  });

  it.each([
    [
      'WARNING: erroneous pipeline: no element "kmssink"',
      "kms",
      "missing-plugin",
      "gstreamer1.0-plugins-bad",
    ],
    ['WARNING: erroneous pipeline: no element "ximagesink"', "x11", "missing-plugin", "gstreamer1.0-x"],
    ['WARNING: erroneous pipeline: no element "foosink"', "custom", "missing-plugin", "foosink"],
    [
      'WARNING: erroneous pipeline: no property "x" in element "fakesink"',
      "custom",
      "bad-pipeline",
      "no property",
    ],
    [
      "ERROR: from element kmssink0: GStreamer encountered a general resource error.\ndrmModeSetPlane failed: Permission denied (-13)",
      "kms",
      "busy",
      "another process owns the display",
    ],
    [
      "gstkmssink.c: Failed to set mode: Permission denied",
      "kms",
      "busy",
      "another process owns the display",
    ],
    ["Could not open framebuffer: Permission denied", "framebuffer", "permission", "groups video and render"],
    ["ERROR: Could not find a valid monitor connector", "kms", "no-monitor", "plug one in"],
    ["ERROR: Could not initialise X output\nCould not open display", "x11", "no-x11", "XAUTHORITY"],
    ["Failed to set pipeline to PAUSED.", "wayland", "no-wayland", "WAYLAND_DISPLAY"],
    ["ERROR: from element a: what nobody has seen before", "kms", "failed", "what nobody has seen before"],
    ["", "custom", "failed", "without saying why"],
  ])("%s (%s) is %s", (stderr, sink, code, cure) => {
    const found = explain(stderr, sink);
    expect(found.code).toBe(code);
    expect(found.message).toContain(cure);
  });
});
