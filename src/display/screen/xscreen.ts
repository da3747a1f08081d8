import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { hostname } from "node:os";
import { join } from "node:path";
import type { Size } from "../draw/pencil.js";

/**
 * The size of an X server's first screen. GStreamer's window is as large as the pictures that it is sent, so they
 * have to have the screen's shape. The server tells it in its answer to the connection's first message
 * (https://www.x.org/releases/current/doc/xproto/x11protocol.html#Connection_Setup), which spares a library.
 * Undefined where that does not work, for whatever reason.
 */
export function xScreenSize(
  env: Readonly<Record<string, string | undefined>>,
  signal: AbortSignal,
): Promise<Size | undefined> {
  const number = /^(?:unix)?:(\d+)(?:\.\d+)?$/.exec(env.DISPLAY ?? "")?.[1];
  if (number === undefined) return Promise.resolve(undefined);
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const socket = connect(`/tmp/.X11-unix/X${number}`);
    const finish = (size?: Size) => {
      clearTimeout(timer);
      signal.removeEventListener("abort", give);
      socket.destroy();
      resolve(size);
    };
    const give = () => finish();
    const timer = setTimeout(give, TIMEOUT);
    signal.addEventListener("abort", give, { once: true });
    socket.on("error", give);
    socket.on("close", give);
    socket.on("connect", () => socket.write(setupRequest(cookieFor(number, env))));
    socket.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      const answer = Buffer.concat(chunks);
      if (answer.length >= 8 && answer.length >= 8 + answer.readUInt16LE(6) * 4) finish(sizeIn(answer));
    });
  });
}

const TIMEOUT = 1000;
const AUTH_NAME = "MIT-MAGIC-COOKIE-1";

const padded = (length: number) => (length + 3) & ~3;

function setupRequest(cookie: Buffer): Buffer {
  const name = cookie.length === 0 ? Buffer.alloc(0) : Buffer.from(AUTH_NAME);
  const request = Buffer.alloc(12 + padded(name.length) + padded(cookie.length));
  request.write("l", 0); // little-endian
  request.writeUInt16LE(11, 2);
  request.writeUInt16LE(name.length, 6);
  request.writeUInt16LE(cookie.length, 8);
  name.copy(request, 12);
  cookie.copy(request, 12 + padded(name.length));
  return request;
}

function sizeIn(answer: Buffer): Size | undefined {
  const accepted = answer[0] === 1;
  if (!accepted || answer.length < 40) return undefined;
  const vendor = padded(answer.readUInt16LE(24));
  const formats = (answer[29] ?? 0) * 8;
  const screen = 40 + vendor + formats;
  if (answer.length < screen + 24) return undefined;
  const size = { width: answer.readUInt16LE(screen + 20), height: answer.readUInt16LE(screen + 22) };
  return size.width >= 64 && size.height >= 64 ? size : undefined;
}

/** This host's cookie for a display, out of .Xauthority; empty where there is none. */
function cookieFor(display: string, env: Readonly<Record<string, string | undefined>>): Buffer {
  let file: Buffer;
  try {
    file = readFileSync(env.XAUTHORITY ?? join(env.HOME ?? "/", ".Xauthority"));
  } catch {
    return Buffer.alloc(0);
  }
  const WILD = 0xffff;
  let at = 0;
  const field = () => {
    const length = file.readUInt16BE(at);
    const value = file.subarray(at + 2, at + 2 + length);
    at += 2 + length;
    return value;
  };
  try {
    while (at + 2 <= file.length) {
      const family = file.readUInt16BE(at);
      at += 2;
      const [address, number, name, data] = [field(), field(), field(), field()];
      const ours = family === WILD || address.toString() === hostname();
      const fits = number.length === 0 || number.toString() === display;
      if (ours && fits && name.toString() === AUTH_NAME) return Buffer.from(data);
    }
  } catch {
    // A file cut short: as if there were none.
  }
  return Buffer.alloc(0);
}
