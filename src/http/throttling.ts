import { readFile } from "node:fs/promises";

/** Why the Raspberry Pi's firmware limits the processor at the moment. */
export interface Throttling {
  readonly undervoltage: boolean;
  readonly frequencyCapped: boolean;
  readonly throttled: boolean;
  readonly softTemperatureLimit: boolean;
}

const FILE = "/sys/devices/platform/soc/soc:firmware/get_throttled";

/**
 * Reads the firmware's flags; null where there is none (no Raspberry Pi). The bits are those of `vcgencmd
 * get_throttled`: https://www.raspberrypi.com/documentation/computers/os.html#get_throttled
 */
export async function readThrottling(file: string = FILE): Promise<Throttling | null> {
  try {
    const text = (await readFile(file, "utf8")).trim().replace(/^0x/, "");
    if (!/^[0-9a-f]+$/i.test(text)) return null;
    const bits = Number.parseInt(text, 16);
    const bit = (position: number) => (bits & (1 << position)) !== 0;
    return { undervoltage: bit(0), frequencyCapped: bit(1), throttled: bit(2), softTemperatureLimit: bit(3) };
  } catch {
    return null;
  }
}
