import { configSchema } from "../../src/config/schema.js";
import { type VirtualDevice, virtualDevice } from "./virtual-device.js";

/** A process with a part of the devices; it is told what to do, and answers, over its parent's channel. */
export interface GroupOrder {
  readonly url: string;
  readonly first: number;
  readonly count: number;
  /** Frames a second of each device. */
  readonly rate: number;
  readonly updateInterval: number;
}

export type ToGroup = { readonly order: GroupOrder } | { readonly stop: number };
export type FromGroup =
  | { readonly connected: number; readonly buffered: number }
  | {
      readonly made: readonly (readonly [boot: string, last: number])[];
      readonly left: number;
      readonly dropped: number;
    };

const quiet = { debug() {}, info() {}, warn() {}, error() {} };
const tell = (message: FromGroup) => {
  if (process.connected) process.send?.(message);
};

let devices: VirtualDevice[] = [];
let running = true;

/** Devices tick one after the other, spread over the period, as independent cameras would. */
function start({ url, first, count, rate, updateInterval }: GroupOrder): void {
  const mqtt = configSchema.parse({ device: "x", mqtt: { url, homeAssistant: { enabled: false } } }).mqtt;
  devices = Array.from({ length: count }, (_, i) =>
    virtualDevice({
      device: `device-${String(first + i).padStart(4, "0")}`,
      mqtt,
      log: quiet,
      updateInterval,
      random: Math.random,
    }),
  );
  devices.forEach((device, i) => {
    setTimeout(() => device.publisher.start(), (i / count) * 5000);
    setTimeout(
      () => {
        const timer = setInterval(() => {
          if (running) device.tick();
          else clearInterval(timer);
        }, 1000 / rate);
      },
      5000 + (i / count) * (1000 / rate),
    );
  });
  setInterval(() => {
    const stats = devices.map((device) => device.publisher.stats());
    tell({
      connected: stats.filter((one) => one.connected).length,
      buffered: stats.reduce((sum, one) => sum + one.buffered, 0),
    });
  }, 1000).unref();
}

async function stop(timeoutMs: number): Promise<void> {
  running = false;
  await Promise.all(devices.map((device) => device.stop(timeoutMs)));
  const stats = devices.map((device) => device.publisher.stats());
  tell({
    made: devices.map((device) => [device.boot, device.seq()] as const),
    left: stats.reduce((sum, one) => sum + one.buffered, 0),
    dropped: stats.reduce((sum, one) => sum + one.dropped, 0),
  });
  process.disconnect();
}

process.on("message", (message: ToGroup) => {
  if ("order" in message) start(message.order);
  else void stop(message.stop);
});
