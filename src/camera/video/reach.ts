import { connect } from "node:net";
import { CameraError } from "../camera.js";

/** Makes a server that is awake say something. Any answer will do. */
const GREETINGS: Readonly<Record<string, string>> = {
  "rtsp:": "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n",
  "http:": "HEAD / HTTP/1.0\r\n\r\n",
};

/**
 * Makes sure that something listens there, and talks: opening a stream blocks the event loop in OpenCV, and a dead
 * host would hold it for as long as TCP tries.
 *
 * @param protocol of the stream's URL, with its colon
 * @param within milliseconds, the look-up of the name included
 * @throws CameraError with the cure
 */
export function reach(
  { protocol, host, port }: { readonly protocol: string; readonly host: string; readonly port: number },
  within: number,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, signal });
    let connected = false;
    const settle = (problem?: string) => {
      clearTimeout(deadline);
      socket.destroy();
      if (problem === undefined) resolve();
      else
        reject(
          new CameraError(
            `the stream's host ${host}:${port} ${problem}; check that it is on, and source.uri`,
          ),
        );
    };
    const deadline = setTimeout(() => {
      const seconds = within / 1000;
      settle(
        connected
          ? `accepts connections and says nothing for ${seconds} s`
          : `cannot be reached: no answer within ${seconds} s`,
      );
    }, within);
    socket.on("connect", () => {
      connected = true;
      const greeting = GREETINGS[protocol];
      if (greeting === undefined) settle();
      else socket.write(greeting);
    });
    socket.on("data", () => settle());
    // Hung up on the greeting: awake, at least.
    socket.on("end", () => settle());
    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (connected) settle();
      else {
        const code = error.code ?? error.message;
        settle(`cannot be reached: ${code === "ECONNREFUSED" ? "connection refused" : code}`);
      }
    });
  });
}
