import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { isIPv6, type Socket } from "node:net";

/** Connections in all, and from one address. Past either the one that has waited longest makes room. */
const MOST_CONNECTIONS = 64;
const MOST_OF_AN_ADDRESS = 32;

/** Requests that one connection may have sent before the first of them is answered. */
const MOST_PIPELINED = 16;

/** Milliseconds for an answer to be made and taken: a caller that does not read lets go of its connection. */
const ANSWER_WITHIN = 10_000;

interface Connection {
  readonly socket: Socket;
  readonly address: string;
  /** Requests that are not answered yet. */
  unanswered: number;
}

/**
 * Keeps a server's door open: a new connection is always taken, and where there are too many the longest-waiting one
 * of the address that holds the most is closed for it. Many users of a machine share the loopback address: a refusal
 * would let any of them shut out the others.
 */
export function guardConnections(server: Server): void {
  // The longest-waiting first.
  const connections = new Map<Socket, Connection>();

  server.on("connection", (socket: Socket) => {
    const connection = { socket, address: network(socket.remoteAddress), unanswered: 0 };
    connections.set(socket, connection);
    socket.once("close", () => connections.delete(socket));
    // At most one more than there is room for.
    const surplus = surplusOf([...connections.values()]);
    if (surplus === undefined) return;
    connections.delete(surplus.socket);
    surplus.socket.destroy();
  });

  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    const connection = connections.get(request.socket);
    if (connection === undefined) return;
    connection.unanswered += 1;
    if (connection.unanswered > MOST_PIPELINED) {
      request.socket.destroy();
      return;
    }
    const late = setTimeout(() => request.socket.destroy(), ANSWER_WITHIN);
    late.unref();
    response.once("close", () => {
      clearTimeout(late);
      connection.unanswered -= 1;
      // It waits from now on, and is the last in the row.
      if (connections.delete(request.socket)) connections.set(request.socket, connection);
    });
  });
}

/** The connection that has to go, of a list with the longest-waiting first; undefined while there is room. */
function surplusOf(connections: readonly Connection[]): Connection | undefined {
  const held = new Map<string, number>();
  for (const { address } of connections) held.set(address, (held.get(address) ?? 0) + 1);
  const most = Math.max(0, ...held.values());
  if (connections.length <= MOST_CONNECTIONS && most <= MOST_OF_AN_ADDRESS) return undefined;
  const crowd = connections.filter(({ address }) => held.get(address) === most);
  return crowd.find(({ unanswered }) => unanswered === 0) ?? crowd[0];
}

/** What one caller can choose freely is one address: of IPv6 the last 64 bits. */
function network(address = ""): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, "");
  if (!isIPv6(plain)) return plain;
  const [head = "", tail] = plain.split("::");
  const before = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  const gap = tail === undefined ? 0 : 8 - before.length - after.length;
  return [...before, ...Array<string>(Math.max(0, gap)).fill("0"), ...after].slice(0, 4).join(":");
}
