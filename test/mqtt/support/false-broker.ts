import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import mqttPacket, { type IConnectPacket, type Packet } from "mqtt-packet";

export interface FalseBroker {
  readonly url: string;
  readonly port: number;
  /** Protocol version of each CONNECT that came. */
  readonly versions: number[];
  readonly connections: () => number;
  close(): Promise<void>;
}

/** What a misbehaving broker does with a packet; `version` is that of the connection's CONNECT. */
export type Behaviour = (
  packet: Packet,
  reply: (packet: Packet) => void,
  socket: Socket,
  version: number,
) => void;

/** A small TCP program that speaks just enough MQTT to behave badly. */
export async function falseBroker(behave: Behaviour | "silent" | "hang-up"): Promise<FalseBroker> {
  const versions: number[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on("error", () => {});
    socket.once("close", () => sockets.delete(socket));
    if (behave === "hang-up") {
      socket.once("data", () => socket.destroy());
      return;
    }
    let version = 4;
    const parser = mqttPacket.parser();
    parser.on("packet", (packet: Packet) => {
      // What came in the same chunk as the packet that made the broker hang up was never looked at.
      if (socket.destroyed) return;
      if (packet.cmd === "connect") {
        version = (packet as IConnectPacket).protocolVersion ?? 4;
        versions.push(version);
      }
      if (behave === "silent") return;
      const reply = (answer: Packet) => {
        if (socket.writable) socket.write(mqttPacket.generate(answer, { protocolVersion: version }));
      };
      behave(packet, reply, socket, version);
    });
    socket.on("data", (bytes) => parser.parse(bytes));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    url: `mqtt://127.0.0.1:${address.port}`,
    port: address.port,
    versions,
    connections: () => connections,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/** Answers as a well-behaved broker would, but for delivering anything to anyone. */
export function wellBehaved(packet: Packet, reply: (packet: Packet) => void): void {
  switch (packet.cmd) {
    case "connect":
      reply({ cmd: "connack", sessionPresent: false, returnCode: 0, reasonCode: 0 });
      break;
    case "subscribe":
      reply({ cmd: "suback", messageId: packet.messageId ?? 0, granted: [1] });
      break;
    case "publish":
      if (packet.qos === 1) reply({ cmd: "puback", messageId: packet.messageId ?? 0, reasonCode: 0 });
      break;
    case "pingreq":
      reply({ cmd: "pingresp" });
      break;
    default:
  }
}
