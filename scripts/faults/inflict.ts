import { setTimeout as sleep } from "node:timers/promises";
import type { FaultNetwork } from "../test-support/fault-network.js";
import type { Mosquitto } from "../test-support/mosquitto.js";
import type { Fault } from "./plan.js";
import type { SmallDisk } from "./small-disk.js";

/** What can be made to fail. What a plan's faults do not touch may be left out. */
export interface Victims {
  readonly broker: Mosquitto;
  readonly network: FaultNetwork;
  readonly disk?: SmallDisk;
  readonly camera?: { stall(ms: number): Promise<void> };
  /** Sets the daemon's clock so many seconds off. */
  readonly setClock?: (offset: number) => void;
  /** SIGKILL, and a new start after so long. */
  readonly killDaemon?: (ms: number) => Promise<void>;
}

/**
 * Does one thing wrong, and puts it right again after the fault's time. What happens `meanwhile` (nothing) comes on top
 * of a broker or a network that is away.
 */
export async function inflict(
  { kind, ms }: Fault,
  { broker, network, disk, camera, setClock, killDaemon }: Victims,
  meanwhile: () => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  const pass = async () => {
    await sleep(ms);
    await meanwhile();
  };
  switch (kind) {
    case "broker-killed":
      await broker.kill();
      await pass();
      await broker.restart();
      break;
    case "network-cut":
      network.cut();
      await pass();
      network.heal();
      break;
    case "network-silent":
      network.silence();
      await pass();
      network.heal();
      break;
    case "link-slow":
      network.slowDown(ms / 3);
      await pass();
      network.heal();
      break;
    case "daemon-killed":
      await killDaemon?.(ms);
      break;
    case "disk-full":
      // The disk matters when the broker is away.
      disk?.fill();
      network.cut();
      await pass();
      disk?.clear();
      network.heal();
      break;
    case "camera-stalled":
      await camera?.stall(ms);
      break;
    case "clock-forward":
    case "clock-back":
      setClock?.(kind === "clock-forward" ? 3600 : -3600);
      await pass();
      setClock?.(0);
      break;
  }
}
