import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

/** A proxy between a client and its broker that does to the connection what networks do. */
export interface FaultProxy {
  readonly port: number;
  /** Bytes that a client has sent through, in all. */
  readonly bytesUp: () => number;
  /** Connections break at once, and new ones are refused, until `heal`. */
  cut(): void;
  /** Nothing is passed on any more, but nobody is told, until `heal`. */
  stall(): void;
  /** What the broker says comes so many milliseconds later; 0: at once. */
  delayAnswers(ms: number): void;
  heal(): void;
  close(): Promise<void>;
}

/** Between clients at `host` and a broker at `target` of 127.0.0.1. */
export async function faultProxy(target: number, host = "127.0.0.1"): Promise<FaultProxy> {
  const pairs = new Set<{ client: Socket; broker: Socket }>();
  let state: "open" | "cut" | "stalled" = "open";
  let answerDelay = 0;
  let bytesUp = 0;

  const server = createServer((client) => {
    client.on("error", () => {});
    if (state === "cut") {
      client.destroy();
      return;
    }
    const broker = connect(target, "127.0.0.1");
    const pair = { client, broker };
    pairs.add(pair);
    const end = () => {
      client.destroy();
      broker.destroy();
      pairs.delete(pair);
    };
    for (const socket of [client, broker]) {
      socket.setNoDelay(true);
      socket.on("error", end);
      socket.on("close", end);
    }
    client.on("data", (bytes) => {
      bytesUp += bytes.length;
      broker.write(bytes);
    });
    let lastDue = 0;
    broker.on("data", (bytes) => {
      // Never before what came earlier, even if the delay has become shorter meanwhile.
      lastDue = Math.max(lastDue, performance.now() + answerDelay);
      const wait = lastDue - performance.now();
      if (wait < 1) client.write(bytes);
      else setTimeout(() => client.destroyed || client.write(bytes), wait);
    });
    if (state === "stalled") {
      client.pause();
      broker.pause();
    }
  }).listen(0, host);
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");

  return {
    port: address.port,
    bytesUp: () => bytesUp,
    cut() {
      state = "cut";
      for (const { client, broker } of pairs) {
        client.destroy();
        broker.destroy();
      }
    },
    stall() {
      state = "stalled";
      for (const { client, broker } of pairs) {
        client.pause();
        broker.pause();
      }
    },
    delayAnswers(ms) {
      answerDelay = ms;
    },
    heal() {
      state = "open";
      for (const { client, broker } of pairs) {
        client.resume();
        broker.resume();
      }
    },
    async close() {
      for (const { client, broker } of pairs) {
        client.destroy();
        broker.destroy();
      }
      server.close();
      await once(server, "close");
    },
  };
}
