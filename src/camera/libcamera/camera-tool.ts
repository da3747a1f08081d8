import { access, constants } from "node:fs/promises";
import { delimiter, isAbsolute, join } from "node:path";

/** Raspberry Pi OS renamed libcamera-* to rpicam-*; an older release has the older name only. */
const NAMES = ["rpicam-vid", "libcamera-vid"] as const;

/**
 * The program that runs the Pi camera.
 *
 * @param path a `PATH`
 * @returns its absolute path; null when neither is installed
 */
export async function findCameraTool(path: string = process.env.PATH ?? ""): Promise<string | null> {
  const folders = path.split(delimiter).filter((folder) => isAbsolute(folder));
  for (const name of NAMES) {
    for (const folder of folders) {
      const candidate = join(folder, name);
      try {
        await access(candidate, constants.X_OK);
        return candidate;
      } catch {
        // Not there; the next folder.
      }
    }
  }
  return null;
}
