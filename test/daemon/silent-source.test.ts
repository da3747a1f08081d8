import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { cv } from "../../src/vision/opencv.js";
import { type Mosquitto, startMosquitto } from "../mqtt/support/mosquitto.js";
import { configFile, emotiond, killed, type RunningProgram, stillsConfig } from "./daemon.js";

const WIDTH = 64;
const HEIGHT = 48;
const plays = /GStreamer:\s+YES/.test(cv.getBuildInformation());
/** From this version on a process can become another, and ends with 0; before, by a signal that systemd takes for it. */
const execve = (process as { execve?: unknown }).execve !== undefined;

let broker: Mosquitto;
let server: Server;
let running: RunningProgram | undefined;
const sockets: Socket[] = [];

beforeAll(async () => {
  broker = await startMosquitto();
});
afterAll(() => broker.stop());
afterEach(async () => {
  await killed(running);
  for (const socket of sockets.splice(0)) socket.destroy();
  server.close();
});

/** A daemon whose camera sends that many grey frames, and then nothing, but stays connected. */
async function watchSilentCamera(frames: number): Promise<RunningProgram> {
  server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => undefined);
    socket.write(Buffer.alloc(WIDTH * HEIGHT * 3 * frames, 128));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  running = emotiond([
    "run",
    "--config",
    configFile(
      stillsConfig(broker.url, {
        source: {
          type: "video",
          uri: `tcpclientsrc host=127.0.0.1 port=${port} ! rawvideoparse width=${WIDTH} height=${HEIGHT} format=bgr framerate=10/1 ! appsink`,
        },
      }),
    ),
  ]);
  return running;
}

describe.skipIf(!plays)("a camera that goes silent", () => {
  it("is told of, and its read that never returns does not outlive SIGTERM by five seconds", async () => {
    const { child, says, finished, stderr } = await watchSilentCamera(20);
    await says("camera is running");
    await says("no frame for 5 s", 20_000);
    const asked = performance.now();
    child.kill("SIGTERM");
    const { code, signal } = await finished;
    expect(performance.now() - asked).toBeLessThan(5_000);
    expect({ code, signal }).toEqual(execve ? { code: 0, signal: null } : { code: null, signal: "SIGTERM" });
    expect(stderr()).toContain("emotiond has stopped");
  });

  it("from the start is a failure like others: it is tried again, and SIGTERM ends the daemon", async () => {
    const { child, says, finished } = await watchSilentCamera(0);
    await says("is silent: no frame within 10 s", 25_000);
    await says("emotiond is starting");
    const asked = performance.now();
    child.kill("SIGTERM");
    expect((await finished).code).toBe(0);
    expect(performance.now() - asked).toBeLessThan(5_000);
  });
});
