import { connect } from "node:net";
import { CameraError } from "./camera.js";

/**
 * Makes sure that something listens there: opening a stream blocks the event loop in OpenCV, and a dead host
 * would hold it for as long as TCP tries.
 *
 * @param within milliseconds, the look-up of the name included
 * @throws CameraError with the cure
 */
export function reach(host: string, port: number, within: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, signal, timeout: within });
    const deadline = setTimeout(() => fail(`no answer within ${within / 1000} s`), within);
    const fail = (reason: string) => {
      clearTimeout(deadline);
      socket.destroy();
      reject(
        new CameraError(
          `the stream's host ${host}:${port} cannot be reached: ${reason}; check that it is on and source.uri`,
        ),
      );
    };
    socket.on("connect", () => {
      clearTimeout(deadline);
      socket.destroy();
      resolve();
    });
    socket.on("error", (error: NodeJS.ErrnoException) => {
      fail(error.code === "ECONNREFUSED" ? "connection refused" : (error.code ?? error.message));
    });
  });
}
