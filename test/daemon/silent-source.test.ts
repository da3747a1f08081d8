import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import {
  configFile,
  emotiond,
  killed,
  type RunningProgram,
  SAMPLE_PHOTOS,
  stillsConfig,
} from "../../scripts/test-support/daemon.js";
import { type Mosquitto, startMosquitto } from "../../scripts/test-support/mosquitto.js";
import { subscribe } from "../../scripts/test-support/subscriber.js";
import { cv } from "../../src/base/opencv.js";
import { eventSchema } from "../../src/events/schema.js";

const WIDTH = 64;
const HEIGHT = 48;
const plays = /GStreamer:\s+YES/.test(cv.getBuildInformation());

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
function watchSilentCamera(frames: number): Promise<RunningProgram> {
  return watch(WIDTH, HEIGHT, (socket) => socket.write(Buffer.alloc(WIDTH * HEIGHT * 3 * frames, 128)));
}

/** A daemon with a camera that sends what `send` writes, and stays connected. */
async function watch(width: number, height: number, send: (socket: Socket) => void): Promise<RunningProgram> {
  server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => undefined);
    send(socket);
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
          uri: `tcpclientsrc host=127.0.0.1 port=${port} ! rawvideoparse width=${width} height=${height} format=bgr framerate=10/1 ! appsink`,
        },
      }),
    ),
  ]);
  return running;
}

/** A sample photo with faces, as the raw frame of a camera. */
function photoFrame(width: number, height: number): Buffer {
  const photo = cv.imread(join(SAMPLE_PHOTOS, "sample1.jpg"));
  const small = photo.resize(height, width);
  const bytes = small.getData();
  for (const mat of [photo, small]) mat.release();
  return bytes;
}

/** Sends a frame ten times a second, a little brighter or darker each, so many times in all. */
async function sendFrames(socket: Socket, frame: Buffer, times: number): Promise<void> {
  for (let time = 0; time < times; time++) {
    const noisy = Buffer.from(frame);
    noisy[time] = time;
    socket.write(noisy);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

describe.skipIf(!plays)("a camera that goes silent", () => {
  it("ends its faces, and the events say that it was the camera", async () => {
    const subscriber = await subscribe(broker.url, "emotiond/test/event");
    const frame = photoFrame(640, 480);
    await watch(640, 480, (socket) => void sendFrames(socket, frame, 50));
    const events = () => subscriber.received.map(({ text }) => eventSchema.parse(JSON.parse(text)));
    await subscriber.until(() => events().some(({ type }) => type === "new"), 20_000);
    const live = () =>
      events().reduce((n, { type }) => n + Number(type === "new") - Number(type === "end"), 0);
    await subscriber.until(() => live() === 0 && events().some(({ reason }) => reason === "camera"), 20_000);
    await subscriber.end();
  });

  it("is told of, and its read that never returns does not outlive SIGTERM by five seconds", async () => {
    const { child, says, finished, stderr } = await watchSilentCamera(20);
    await says("camera is running");
    await says("no frame for 5 s", 20_000);
    const asked = performance.now();
    child.kill("SIGTERM");
    const { code, signal } = await finished;
    expect(performance.now() - asked).toBeLessThan(5_000);
    // The read hangs in a process of its own, which is killed: no thread of the daemon waits for it.
    expect({ code, signal }).toEqual({ code: 0, signal: null });
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
