import { open, stat } from "node:fs/promises";
import { CameraError } from "../camera.js";
import { captureDevices } from "./v4l2.js";

/**
 * Makes sure that the file is one before OpenCV sees it: FFmpeg, for one, renders a text file as ANSI art.
 *
 * @throws CameraError with the cure
 */
export async function checkVideoFile(path: string): Promise<void> {
  const found = await stat(path).catch((error: unknown) => error as NodeJS.ErrnoException);
  if (found instanceof Error) throw new CameraError(`${path}: ${reasonFor(found)}`);
  if (found.isDirectory()) {
    throw new CameraError(`${path} is a folder, not a video; for a folder of photos set source.type: stills`);
  }
  if (found.size === 0 && found.isFile())
    throw new CameraError(`${path} is empty: copy or record the video again`);
  if (!found.isFile()) return;
  const start = Buffer.alloc(4096);
  try {
    const file = await open(path);
    try {
      const { bytesRead } = await file.read(start, 0, start.length, 0);
      if (isText(start.subarray(0, bytesRead)) && !isPlaylist(start)) {
        throw new CameraError(`${path} is a text file, not a video: set source.uri to a video file`);
      }
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof CameraError) throw error;
    throw new CameraError(`${path}: ${reasonFor(error as NodeJS.ErrnoException)}`);
  }
}

/** @throws CameraError naming the devices that there are, or the group that is missing */
export async function checkVideoDevice(path: string): Promise<void> {
  let reason: string;
  try {
    const found = await stat(path);
    if (!found.isCharacterDevice()) throw new CameraError(`${path} is no video device`);
    const device = await open(path, "r+");
    await device.close();
    return;
  } catch (error) {
    if (error instanceof CameraError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    // Busy devices open; whatever else OpenCV will say better.
    if (code === "EBUSY") return;
    if (code === "EACCES" || code === "EPERM") {
      throw new CameraError(
        `${path} may not be opened by this user: sudo usermod -aG video <user>, then log in again (the systemd unit has the group already)`,
      );
    }
    reason = reasonFor(error as NodeJS.ErrnoException);
  }
  const others = (await captureDevices()).map((device) => `${device.path} (${device.name})`);
  const cure =
    others.length > 0
      ? `set source.uri to one of: ${others.join(", ")}`
      : "this machine has no V4L2 camera at all; plug one in, or for the Pi's own camera set source.type: libcamera";
  throw new CameraError(`${path}: ${reason}; ${cure}`);
}

function reasonFor(error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case "ENOENT":
    case "ENOTDIR":
      return "there is no such file; check source.uri (a relative path starts at the working directory)";
    case "ENXIO":
    case "ENODEV":
      return "there is no such device";
    case "EACCES":
      return "this user may not read it; check the permissions of the file and its folders";
    default:
      return error.message;
  }
}

function isText(start: Buffer): boolean {
  // Every container has a NUL or another control byte in its first 4 KiB; text has none but white space and ESC.
  return !start.some(
    (byte) => byte < 32 && byte !== 9 && byte !== 10 && byte !== 12 && byte !== 13 && byte !== 27,
  );
}

function isPlaylist(start: Buffer): boolean {
  return start.toString("latin1", 0, 7) === "#EXTM3U" || start.toString("latin1", 0, 4) === "v=0\r";
}
