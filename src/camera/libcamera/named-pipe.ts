import { execFile } from "node:child_process";
import { constants, openSync } from "node:fs";
import { Socket } from "node:net";
import { promisify } from "node:util";

/** Makes a named pipe that only this user may open; Node has no call for it. */
export async function makeFifo(path: string): Promise<void> {
  await promisify(execFile)("mkfifo", ["-m", "600", "--", path], { timeout: 5_000 });
}

/**
 * Reads a named pipe without ever waiting for its writer: opened for reading and writing, the open returns at
 * once, and a writer's open does too. So there is no end of file either; whoever writes must be watched.
 *
 * @param space where the next bytes go; called again after each read, never with nothing left to fill
 * @param filled how many bytes were read into it; false stops reading until `resume`
 */
export function readFifo(
  path: string,
  space: () => Uint8Array,
  filled: (bytes: number) => boolean,
): { resume(): void; close(): void } {
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  // `onread` is documented for connect and works for an fd as well; the types do not know that.
  const options = { fd, readable: true, writable: false, onread: { buffer: space, callback: filled } };
  const socket = new Socket(options);
  socket.on("error", () => socket.destroy());
  return {
    resume: () => {
      if (!socket.destroyed) socket.resume();
    },
    close: () => {
      socket.destroy();
    },
  };
}
