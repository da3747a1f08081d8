import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** Why the Raspberry Pi's firmware limits the processor at the moment. */
export interface Throttling {
  readonly undervoltage: boolean;
  readonly frequencyCapped: boolean;
  readonly throttled: boolean;
  readonly softTemperatureLimit: boolean;
}

/** Of the firmware's device: `soc/soc:firmware` on a Pi 4, with the bus address in both names on newer ones. */
const DEVICES = "/sys/devices/platform";

/** Where the firmware's flags are; undefined where there are none. */
export async function throttlingFile(devices = DEVICES): Promise<string | undefined> {
  const names = (folder: string) => readdir(folder).catch((): string[] => []);
  for (const bus of (await names(devices)).filter((name) => name.startsWith("soc"))) {
    for (const device of await names(join(devices, bus))) {
      if (device.endsWith(":firmware")) return join(devices, bus, device, "get_throttled");
    }
  }
  return undefined;
}

let found: Promise<string | undefined> | undefined;

/**
 * Reads the firmware's flags; null where there is none (no Raspberry Pi). The bits are those of `vcgencmd
 * get_throttled`: https://www.raspberrypi.com/documentation/computers/os.html#get_throttled
 */
export async function readThrottling(file?: string): Promise<Throttling | null> {
  found ??= throttlingFile();
  const path = file ?? (await found);
  if (path === undefined) return null;
  try {
    const text = (await readFile(path, "utf8")).trim().replace(/^0x/, "");
    if (!/^[0-9a-f]+$/i.test(text)) return null;
    const bits = Number.parseInt(text, 16);
    const bit = (position: number) => (bits & (1 << position)) !== 0;
    return { undervoltage: bit(0), frequencyCapped: bit(1), throttled: bit(2), softTemperatureLimit: bit(3) };
  } catch {
    return null;
  }
}
