import { connect, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { IClientOptions } from "mqtt";

/** Bytes of a web socket's frame, which is held until it is whole; several packets may be in one. */
const LARGEST_FRAME = 1024 * 1024;

/**
 * Options by which mqtt.js takes a TCP socket that is made here, and `made` is told of, in the place of its own. Below
 * TLS or a web socket it could not be reached otherwise, and only a TCP socket can be closed with a reset. Of plain
 * MQTT there are none: there the client's stream is the TCP socket.
 */
export function ownSocket(url: string, made: (socket: Socket) => void): IClientOptions {
  const { protocol, hostname, port } = new URL(url);
  // An IPv6 address stands in brackets.
  const host = hostname.replace(/^\[|\]$/g, "");
  const open = (defaultPort: number): Socket => {
    const socket = connect({ host, port: port === "" ? defaultPort : Number(port) });
    made(socket);
    return socket;
  };
  // mqtt.js puts it together again without the brackets of an IPv6 address.
  const transformWsUrl = () => url;
  switch (protocol) {
    case "mqtts:": {
      const taken: IClientOptions & { socket: Socket } = { socket: open(8883) };
      return taken;
    }
    case "ws:":
      return { transformWsUrl, wsOptions: { maxPayload: LARGEST_FRAME, createConnection: () => open(80) } };
    case "wss:":
      return {
        transformWsUrl,
        wsOptions: {
          maxPayload: LARGEST_FRAME,
          createConnection: (options: object) =>
            connectTls({
              ...options,
              // http's path; TLS would take it for that of a socket file.
              path: undefined,
              host,
              servername: isIP(host) === 0 ? host : "",
              socket: open(443),
            }),
        },
      };
    default:
      return {};
  }
}
