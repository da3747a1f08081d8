import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import {
  canvasFor,
  launchArguments,
  type Output,
  parseSink,
  parseVersion,
  splitArguments,
} from "../../src/display/screen/sink.js";

const canvas = { width: 1280, height: 720 };
const modern = { gstreamer: { major: 1, minor: 22 } };
const sinkPart = (output: Output, options = modern) => {
  const args = launchArguments(output, options).join(" ");
  return args.slice(args.indexOf("add-borders=true ! ") + "add-borders=true ! ".length);
};
const kms: Output = {
  kind: "kms",
  canvas,
  card: "/dev/dri/card1",
  driver: "vc4-drm",
  connectorId: undefined,
  scales: true,
  statusFile: "/sys/class/drm/card1-HDMI-A-1/status",
};

describe("parseSink", () => {
  it.each(["none", "auto", "kms", "framebuffer", "wayland", "x11"])("knows %s by name", (name) => {
    expect(parseSink(name)).toEqual({ kind: name });
  });

  it("takes everything else for a pipeline", () => {
    expect(parseSink(" fakesink sync=false ")).toEqual({ kind: "custom", pipeline: "fakesink sync=false" });
  });
});

describe("launchArguments", () => {
  it("reads whole pictures from stdin and keeps their shape", () => {
    expect(launchArguments({ kind: "x11", canvas }, modern).join(" ")).toBe(
      "fdsrc fd=0 blocksize=2764800 ! rawvideoparse format=bgr width=1280 height=720 framerate=30/1 " +
        "plane-strides=<3840> plane-offsets=<0> ! videoconvert ! videoscale add-borders=true ! ximagesink sync=false",
    );
  });

  // canvasFor makes widths of 2n pixels: 1214 of 1920x1200, and 1366x768 stays as it is where the sink cannot scale.
  it.each([
    [1366, 4098],
    [1214, 3642],
    [641, 1923],
  ])("says that rows of %i pixels are not padded, and GStreamer takes them so", (width, stride) => {
    const height = 4;
    const output: Output = {
      kind: "custom",
      canvas: { width, height },
      pipeline: "video/x-raw,format=BGRx ! fdsink fd=1",
    };
    const args = launchArguments(output, modern);
    expect(args).toContain(`plane-strides=<${stride}>`);

    // Every row is a ramp of its own: a row read from a wrong place is another.
    const pixels = Buffer.from(
      Array.from({ length: height * stride }, (_, at) => (at * 7 + at / stride) & 255),
    );
    const frames = Buffer.concat([pixels, pixels.map((value) => 255 - value)]);
    const shown = execFileSync("gst-launch-1.0", ["--quiet", ...args], {
      input: frames,
      timeout: 60_000,
      maxBuffer: 1e6,
    });
    // BGRx has a fourth byte a pixel, and so no padding.
    expect(shown.length).toBe((frames.length / 3) * 4);
    expect(frames.equals(shown.filter((_, at) => at % 4 < 3))).toBe(true);
  });

  it("hands kmssink the open device", () => {
    expect(sinkPart(kms)).toBe("kmssink sync=false fd=3");
    expect(sinkPart({ ...kms, connectorId: 33 })).toBe("kmssink sync=false fd=3 connector-id=33");
  });

  it("lets kmssink set the mode where no plane scales", () => {
    expect(sinkPart({ ...kms, scales: false })).toBe("kmssink sync=false fd=3 force-modesetting=true");
  });

  it("names the DRM driver to a kmssink that takes no descriptor", () => {
    expect(sinkPart(kms, { gstreamer: { major: 1, minor: 20 } })).toBe("kmssink sync=false driver-name=vc4");
  });

  it("scales to the framebuffer's own size", () => {
    const screen = { width: 800, height: 480 };
    expect(sinkPart({ kind: "framebuffer", canvas, device: "/dev/fb0", screen })).toBe(
      "video/x-raw,width=800,height=480,pixel-aspect-ratio=1/1 ! fbdevsink sync=false device=/dev/fb0",
    );
  });

  it("maps wayland and a pipeline of the user's", () => {
    expect(sinkPart({ kind: "wayland", canvas })).toBe("waylandsink sync=false fullscreen=true");
    expect(sinkPart({ kind: "wayland", canvas }, { gstreamer: { major: 1, minor: 20 } })).toBe(
      "waylandsink sync=false",
    );
    expect(sinkPart({ kind: "custom", canvas, pipeline: "videoflip method=clockwise ! fakesink" })).toBe(
      "videoflip method=clockwise ! fakesink",
    );
  });
});

describe("splitArguments", () => {
  it("splits at blanks, but not in quotes", () => {
    expect(splitArguments(`a  b="c d" 'e f' g`)).toEqual(["a", `b="c d"`, "'e f'", "g"]);
  });
});

describe("canvasFor", () => {
  it("draws small screens as they are and large ones with fewer pixels of the same shape", () => {
    expect(canvasFor({ width: 800, height: 480 })).toEqual({ width: 800, height: 480 });
    expect(canvasFor({ width: 1920, height: 1080 })).toEqual({ width: 1280, height: 720 });
    const { width, height } = canvasFor({ width: 3840, height: 1600 });
    expect(width / height).toBeCloseTo(2.4, 1);
    expect(width * height).toBeLessThan(1_000_000);
  });
});

describe("parseVersion", () => {
  it("reads what gst-launch-1.0 prints", () => {
    expect(parseVersion("gst-launch-1.0 version 1.22.0\nGStreamer 1.22.0\n")).toEqual({
      major: 1,
      minor: 22,
    });
    expect(parseVersion("something else")).toBeUndefined();
  });
});
