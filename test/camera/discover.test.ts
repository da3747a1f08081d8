import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { discoverCamera, piCameras } from "../../src/camera/libcamera/discover.js";

const STAND_INS = new URL("./stand-ins/", import.meta.url).pathname;
const path = (behaviour: string) => `${STAND_INS}${behaviour}${delimiter}${process.env.PATH}`;

let sysfs = "";

beforeEach(async () => {
  sysfs = await mkdtemp(join(tmpdir(), "emotiond-test-"));
});
afterEach(() => rm(sysfs, { recursive: true }));

async function node(name: string, driver: string, index = 0): Promise<void> {
  await mkdir(join(sysfs, name));
  await writeFile(join(sysfs, name, "name"), `${driver}\n`);
  await writeFile(join(sysfs, name, "index"), `${index}\n`);
}

describe("the first camera", () => {
  it("is the Pi's own, when its program sees one", async () => {
    await node("video0", "HD Pro Webcam C920");
    expect(await discoverCamera({ path: path("streams"), sysfs })).toEqual({
      type: "libcamera",
      name: "imx708_wide",
    });
    expect(await discoverCamera({ path: path("older-name"), sysfs })).toMatchObject({ type: "libcamera" });
  });

  it("is a USB camera else, and none of the SoC's own nodes", async () => {
    await node("video10", "bcm2835-codec-decode");
    await node("video13", "bcm2835-isp-output0");
    await node("video19", "rpivid");
    await node("video20", "pispbe-input");
    await node("video0", "rp1-cfe-csi2_ch0");
    expect(await discoverCamera({ path: path("no-camera"), sysfs })).toBeNull();
    await node("video9", "HD Pro Webcam C920", 1);
    await node("video8", "HD Pro Webcam C920");
    expect(await discoverCamera({ path: "/nowhere", sysfs })).toEqual({
      type: "video",
      uri: "/dev/video8",
      name: "HD Pro Webcam C920",
    });
  });

  it("is a Jetson's through its own GStreamer source", async () => {
    await node("video0", "vi-output, imx219 9-0010");
    expect(await discoverCamera({ path: "/nowhere", sysfs })).toMatchObject({
      type: "video",
      uri: expect.stringMatching(/^nvarguscamerasrc ! .* ! appsink/),
    });
  });

  it("is none on a machine without", async () => {
    expect(await discoverCamera({ path: "/nowhere", sysfs: join(sysfs, "missing") })).toBeNull();
  });

  it("is not waited for when the program hangs", async () => {
    const folder = join(sysfs, "hangs");
    await mkdir(folder);
    await writeFile(join(folder, "rpicam-vid"), "#!/bin/sh\nexec sleep 60\n", { mode: 0o755 });
    const begun = performance.now();
    expect(await piCameras({ path: folder, within: 200 })).toEqual([]);
    expect(performance.now() - begun).toBeLessThan(1_500);
  });
});
