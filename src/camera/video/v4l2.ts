import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** A node of V4L2 that frames can be captured from. */
export interface CaptureDevice {
  /** `/dev/videoN` */
  readonly path: string;
  /** What the driver calls it: "HD Pro Webcam C920". */
  readonly name: string;
}

/**
 * Nodes that are no cameras one can open: codecs and image processors of the SoC, and the raw sensor nodes of
 * the Pi (libcamera's business) and of the Jetson (nvarguscamerasrc's).
 */
const NO_CAMERA =
  /^(bcm2835-(codec|isp)|pispbe|rp1-cfe|unicam|rpivid|rpi-hevc|hantro|rkvdec|rockchip|vi-output|tegra-video)|[-_ ](dec|enc|decoder|encoder|isp|m2m)\b/i;

/**
 * The V4L2 cameras (USB, mostly) of this machine, in the order of their numbers.
 *
 * @param sysfs `/sys/class/video4linux`
 */
export async function captureDevices(sysfs = "/sys/class/video4linux"): Promise<CaptureDevice[]> {
  return (await allDevices(sysfs)).filter(({ name }) => !NO_CAMERA.test(name));
}

/** Whether a CSI camera hangs on a Jetson's video input. */
export async function hasJetsonCamera(sysfs = "/sys/class/video4linux"): Promise<boolean> {
  return (await allDevices(sysfs)).some(({ name }) => name.startsWith("vi-output"));
}

async function allDevices(sysfs: string): Promise<CaptureDevice[]> {
  const nodes = (await readdir(sysfs).catch(() => []))
    .filter((node) => /^video\d+$/.test(node))
    .sort((a, b) => Number(a.slice(5)) - Number(b.slice(5)));
  const devices: CaptureDevice[] = [];
  for (const node of nodes) {
    const attribute = async (name: string) =>
      (await readFile(join(sysfs, node, name), "utf8").catch(() => "")).trim();
    // A UVC camera's second node carries metadata only.
    if (Number((await attribute("index")) || "0") !== 0) continue;
    devices.push({ path: `/dev/${node}`, name: await attribute("name") });
  }
  return devices;
}
