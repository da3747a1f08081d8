import { setFlagsFromString } from "node:v8";

/**
 * Keeps V8's nursery at its first size. Left alone it grows to 16 MB and keeps two of that, for the small garbage of
 * frames that two megabytes hold as well: a sixth of the daemon's memory. To be called before anything large is
 * loaded.
 */
export function keepNurserySmall(): void {
  setFlagsFromString("--semi-space-growth-factor=1");
}
