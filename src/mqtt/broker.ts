import { createServer, type Socket } from "node:net";
import { Aedes } from "aedes";

export interface EmbeddedBroker {
  /** What `mqtt.url` is set to for this broker. */
  readonly url: string;
  readonly port: number;
  close(): Promise<void>;
}

/**
 * A small broker (MQTT 3.1.1) inside this process, for `demo`, where none is installed. It listens on 127.0.0.1
 * alone, and keeps nothing. `port` 0 takes any free one.
 *
 * @throws if the port is taken (the system's error, code EADDRINUSE)
 */
export async function startEmbeddedBroker(port: number): Promise<EmbeddedBroker> {
  const aedes = await Aedes.createBroker();
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    aedes.handle(socket);
  });
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, "127.0.0.1", () => {
        server.off("error", reject);
        resolve();
      });
    });
  } catch (error) {
    await new Promise<void>((resolve) => aedes.close(resolve));
    throw error;
  }
  const address = server.address();
  const bound = typeof address === "object" && address !== null ? address.port : port;
  return {
    url: `mqtt://127.0.0.1:${bound}`,
    port: bound,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      // aedes waits for each client to hang up; one that has not even said CONNECT never would.
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => aedes.close(resolve));
      await closed;
    },
  };
}
