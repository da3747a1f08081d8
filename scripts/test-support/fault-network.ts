import { type Link, layLink } from "./link.js";
import { type Mosquitto, startMosquitto } from "./mosquitto.js";
import { faultProxy } from "./proxy.js";

/**
 * `link`: cables and a router of namespaces, of whose failures no socket hears. `proxy`: a program on loopback, which
 * breaks connections or holds them up.
 */
export type NetworkWay = "link" | "proxy";

/** What lies between clients and their broker, and can be made to fail. */
export interface FaultNetwork {
  readonly way: NetworkWay;
  /** What makes it slow: the kernel's token bucket filter, or the proxy. */
  readonly slowBy: "tbf" | "proxy";
  /** Where clients find the broker. */
  readonly brokerHost: string;
  readonly brokerPort: number;
  /** An address of the clients that this process can always reach. */
  readonly clientHost: string;
  /** Program and arguments before those of a client. */
  readonly runner: readonly string[];
  /** Milliseconds that it may hold on to a packet and still deliver it. */
  readonly holds: number;
  /** The client's own connection to the network is gone. */
  cut(): void;
  /** Nothing comes through, and nobody is told. */
  silence(): void;
  /** A message and its answer take about so many milliseconds. */
  slowDown(ms: number): void;
  heal(): void;
  close(): Promise<void>;
}

const LINK_PORT = 1884;
/** Milliseconds that a kernel holds a packet back while it looks for its next hop; a slow link's queue takes a little more. */
const KERNEL_HOLDS = 4000;

/** A mosquitto and the network before it. For `link`, this process must be in a network of its own: see `ownNetwork`. */
export async function brokerBehind(
  way: NetworkWay,
  settings: readonly string[],
): Promise<{ readonly broker: Mosquitto; readonly network: FaultNetwork }> {
  if (way === "proxy") {
    const broker = await startMosquitto(settings);
    return { broker, network: await proxyNetwork(broker) };
  }
  const link = await layLink();
  const broker = await startMosquitto([...settings, `listener ${LINK_PORT} ${link.brokerHost}`]);
  return { broker, network: await linkNetwork(link, broker) };
}

async function proxyNetwork(broker: Mosquitto): Promise<FaultNetwork> {
  const proxy = await faultProxy(broker.port);
  return {
    way: "proxy",
    slowBy: "proxy",
    brokerHost: "127.0.0.1",
    brokerPort: proxy.port,
    clientHost: "127.0.0.1",
    runner: [],
    holds: 0,
    cut: () => proxy.cut(),
    silence: () => proxy.stall(),
    slowDown: (ms) => proxy.delayAnswers(ms),
    heal() {
      proxy.delayAnswers(0);
      proxy.heal();
    },
    close: () => proxy.close(),
  };
}

async function linkNetwork(link: Link, broker: Mosquitto): Promise<FaultNetwork> {
  const proxy = link.canBeSlow ? null : await faultProxy(broker.port, link.brokerHost);
  return {
    way: "link",
    slowBy: proxy === null ? "tbf" : "proxy",
    brokerHost: link.brokerHost,
    brokerPort: proxy?.port ?? LINK_PORT,
    clientHost: link.clientHost,
    runner: link.runner,
    holds: KERNEL_HOLDS,
    cut: () => link.pullCable(),
    silence: () => link.dropPackets(),
    slowDown: (ms) => (proxy === null ? link.slowDown(ms) : proxy.delayAnswers(ms)),
    heal() {
      proxy?.delayAnswers(0);
      link.heal();
    },
    async close() {
      await proxy?.close();
      link.close();
    },
  };
}
