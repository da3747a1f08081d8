import { execFile } from "node:child_process";
import { captureDevices, hasJetsonCamera } from "../video/v4l2.js";
import { findCameraTool } from "./camera-tool.js";

/** A camera that was found, as the configuration would name it. */
export type DiscoveredCamera =
  | { readonly type: "libcamera"; readonly name: string }
  | { readonly type: "video"; readonly uri: string; readonly name: string };

export interface DiscoverOptions {
  readonly path?: string;
  readonly sysfs?: string;
  /** Milliseconds for the Pi camera's program to answer. */
  readonly within?: number;
}

/** The first camera of this machine: the Pi's own, then a Jetson's, then USB; null when there is none. */
export async function discoverCamera(options: DiscoverOptions = {}): Promise<DiscoveredCamera | null> {
  const [first] = await piCameras(options);
  if (first !== undefined) return { type: "libcamera", name: first };
  if (await hasJetsonCamera(options.sysfs)) {
    return { type: "video", uri: jetsonPipeline(1280, 720, 30), name: "Jetson CSI camera" };
  }
  const [device] = await captureDevices(options.sysfs);
  return device === undefined ? null : { type: "video", uri: device.path, name: device.name };
}

/**
 * The Pi cameras that libcamera sees, by name ("imx708_wide"); none when neither rpicam-vid nor libcamera-vid is
 * installed, or it does not answer in time.
 */
export async function piCameras({ path, within = 5_000 }: DiscoverOptions = {}): Promise<string[]> {
  const tool = await findCameraTool(path);
  if (tool === null) return [];
  const answer = await new Promise<string>((resolve) => {
    // Not exec's own time-out alone: a program stuck in the kernel survives its KILL, and is not waited for.
    const deadline = setTimeout(() => resolve(""), within + 500);
    const child = execFile(
      tool,
      ["--list-cameras"],
      { timeout: within, killSignal: "SIGKILL" },
      (_, out, err) => {
        clearTimeout(deadline);
        resolve(`${out}\n${err}`);
      },
    );
    child.unref();
  });
  return [...answer.matchAll(/^\s*\d+\s*:\s*(\S+)\s+\[/gm)].map((match) => match[1] ?? "");
}

/** The GStreamer pipeline that OpenCV reads a Jetson's CSI camera through. */
export function jetsonPipeline(width: number, height: number, framerate: number): string {
  return [
    "nvarguscamerasrc",
    `video/x-raw(memory:NVMM),width=${width},height=${height},framerate=${Math.round(framerate)}/1`,
    "nvvidconv",
    "video/x-raw,format=BGRx",
    "videoconvert",
    "video/x-raw,format=BGR",
    "appsink drop=true max-buffers=1",
  ].join(" ! ");
}
