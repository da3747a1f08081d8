import { readFile } from "node:fs/promises";

const ZONE = "/sys/class/thermal/thermal_zone0/temp";

/** The processor's temperature in °C, or null where the kernel does not tell it. */
export async function readTemperature(file: string = ZONE): Promise<number | null> {
  try {
    const milliDegrees = Number((await readFile(file, "utf8")).trim());
    return Number.isFinite(milliDegrees) && milliDegrees > 0 ? Math.round(milliDegrees / 100) / 10 : null;
  } catch {
    return null;
  }
}
