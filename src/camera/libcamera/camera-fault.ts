import { CameraError } from "../camera.js";

export const NO_CAMERA_TOOL =
  "neither rpicam-vid nor libcamera-vid is installed; install it with: sudo apt install rpicam-apps";

const CURES: readonly { readonly sign: RegExp; readonly message: string }[] = [
  {
    sign: /no cameras? available/i,
    message:
      "no Pi camera is detected: check the ribbon cable at both ends, then reboot; `rpicam-hello --list-cameras` shows what is found",
  },
  {
    sign: /resource busy|pipeline handler in use|failed to acquire camera|in use by another process/i,
    message:
      "another program uses the Pi camera: stop it (`sudo fuser -v /dev/media* /dev/video*` names it), emotiond tries again by itself",
  },
  {
    sign: /permission denied|operation not permitted/i,
    message:
      "the Pi camera may not be opened by this user: sudo usermod -aG video <user>, then log in again (the systemd unit has the group already)",
  },
  {
    sign: /cannot allocate memory|failed to allocate|dma_?heap/i,
    message: "no memory for the Pi camera's buffers: use a smaller source.width and source.height",
  },
  {
    // rpicam-vid says it over and over, and goes on.
    sign: /device timeout detected|dequeue timer has expired/i,
    message:
      "the Pi camera's sensor sends no pictures any more: check the ribbon cable at both ends, then reboot",
  },
];

/**
 * What a camera program's last words mean, with the cure; its own words go along.
 *
 * @param words the end of its standard error
 * @param otherwise the message when nothing in them is known
 */
export function cameraFault(words: string, otherwise: string): CameraError {
  const known = CURES.find(({ sign }) => sign.test(words));
  const tail = words
    .split("\n")
    // Without libcamera's time and thread, the same fault is told in the same words each time.
    .map((line) => line.replace(/^(\s*\[[\d:.]+\])+/, "").trim())
    .filter((line) => line !== "")
    .slice(-3)
    .join(" | ");
  const message = known?.message ?? otherwise;
  return new CameraError(tail === "" ? message : `${message} (it said: ${tail})`);
}
