import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, createServer, type Server } from "node:net";
import { afterAll, describe, expect, it } from "vitest";
import { cv } from "../../src/base/opencv.js";
import { createCamera } from "../../src/camera/create.js";
import { createMasks } from "../../src/camera/masks.js";
import { superviseCamera } from "../../src/camera/supervisor.js";
import { startCapture } from "../../src/camera/video/capture-process.js";
import { readableLine } from "../../src/camera/video/capture-words.js";
import { parseVideoUri } from "../../src/config/video-uri.js";
import { sourceOf } from "./helpers.js";

const servers: Server[] = [];
afterAll(() => {
  for (const server of servers) server.close();
});

async function portOf(server: Server): Promise<number> {
  servers.push(server);
  await once(server.listen(0, "127.0.0.1"), "listening");
  return (server.address() as AddressInfo).port;
}

/** A log that keeps every line of every level, with its fields. */
function fullLog() {
  const lines: string[] = [];
  const keep = (fields: object, message: string) => void lines.push(`${message} ${JSON.stringify(fields)}`);
  return { lines, log: { trace: keep, debug: keep, info: keep, warn: keep, error: keep, fatal: keep } };
}

describe("a camera that sends a picture every five seconds", () => {
  const INTERVAL = 5_000;

  const serveSlowly = () => {
    let number = 0;
    const server = createHttpServer((request, response) => {
      response.writeHead(200, { "Content-Type": "multipart/x-mixed-replace; boundary=frame" });
      if (request.method === "HEAD") {
        response.end();
        return;
      }
      const send = () => {
        number += 9;
        const picture = new cv.Mat(48, 64, cv.CV_8UC3, [90, 90, number]);
        const jpeg = cv.imencode(".jpg", picture);
        picture.release();
        response.write(`--frame\r\nContent-Type: image/jpeg\r\nContent-Length: ${jpeg.length}\r\n\r\n`);
        response.write(jpeg);
        response.write("\r\n");
      };
      send();
      const timer = setInterval(send, INTERVAL);
      response.on("close", () => clearInterval(timer));
    });
    return portOf(server);
  };

  it("runs at source.framerate 0.2, and is not taken for dead", async () => {
    const uri = `http://127.0.0.1:${await serveSlowly()}/slow.mjpg`;
    const stop = new AbortController();
    const taken: number[] = [];
    const supervisor = superviseCamera({
      camera: createCamera(sourceOf({ type: "video", uri, framerate: 0.2 }), createMasks([])),
      deliver: async (frame) => {
        taken.push(frame.steadyAt);
        frame.release();
        if (taken.length === 6) stop.abort();
      },
    });
    await supervisor.run(stop.signal);
    expect(taken).toHaveLength(6);
    expect(supervisor.health()).toMatchObject({ restarts: 0, lastError: null });
    // What came while FFmpeg found out what the stream is comes at once; then one every five seconds.
    const [before = 0, last = 0] = taken.slice(-2);
    expect(last - before).toBeGreaterThan(INTERVAL / 2);
  });

  it("is told to name its rate where it does not", async () => {
    const uri = `http://127.0.0.1:${await serveSlowly()}/slow.mjpg`;
    const camera = createCamera(sourceOf({ type: "video", uri }), createMasks([]));
    await expect(
      camera.run(async (frame) => frame.release(), AbortSignal.timeout(INTERVAL * 6)),
    ).rejects.toThrow(/less often than every 4 s needs its rate in source\.framerate/);
  });
});

/** The same password before the host, encoded, in the path and in the query. */
const SECRETS = ["Tr0ub/dor", "Tr0ub%2Fdor", "S3cret%20Way", "S3cret Way", "hunter2", "K3y!lock", "own3r"];
const LOCATIONS = [
  "own3r:hunter2@HOST/x",
  "own3r:Tr0ub%2Fdor@HOST/x",
  "HOST/live/own3r/S3cret%20Way/ch1",
  "HOST/user=own3r_password=hunter2_channel=1.sdp",
  "HOST/x?user=own3r&pwd=Tr0ub%2Fdor",
  "HOST/x?K3y!lock",
];

describe("what FFmpeg prints", () => {
  it.each(LOCATIONS)("of %s has no password in it, in any form", (location) => {
    const url = `rtsp://${location.replace("HOST", "cam.lan:554")}`;
    const { username, password, pathname, search } = new URL(url);
    const pieces = [url, pathname, search, `${pathname}${search}`, `${pathname}${search}/trackID=1`];
    const login = `${username}:${password}`;
    if (password !== "")
      pieces.push(login, password, decodeURIComponent(login), decodeURIComponent(password));
    for (const piece of [...pieces, ...pieces.map(decodeURIComponent)]) {
      for (const line of [
        `[OPENCV:FFMPEG:16] ${piece}: Connection refused`,
        `cannot "${piece}"`,
        `a=control:${piece}`,
      ]) {
        const words = piece === "" ? "" : (readableLine(line, parseVideoUri(url)) ?? "");
        for (const secret of SECRETS) expect(words).not.toContain(secret);
      }
    }
  });

  it("comes to the log, and no password with it, be it of RTSP or of HTTP", async () => {
    const server = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.on("data", (bytes) => {
        const request = bytes.toString();
        const cseq = /CSeq: \d+/.exec(request)?.[0];
        const answer = request.includes("RTSP/1.0") ? `RTSP/1.0 404 Not Found\r\n${cseq}` : "HTTP/1.1 404 No";
        socket.end(`${answer}\r\nContent-Length: 0\r\n\r\n`);
      });
    });
    const host = `127.0.0.1:${await portOf(server)}`;
    const { lines, log } = fullLog();
    for (const scheme of ["rtsp", "http"]) {
      for (const location of LOCATIONS) {
        const uri = `${scheme}://${location.replace("HOST", host)}`;
        const camera = createCamera(sourceOf({ type: "video", uri }), createMasks([]), { log });
        const failure: unknown = await camera
          .run(async (frame) => frame.release(), AbortSignal.timeout(20_000))
          .catch((error: unknown) => error);
        lines.push(String(failure), camera.description);
      }
    }
    // FFmpeg's own words are among them, once for each address.
    expect(lines.filter((line) => /404/.test(line)).length).toBeGreaterThanOrEqual(2 * LOCATIONS.length);
    for (const secret of SECRETS) expect(lines.filter((line) => line.includes(secret))).toEqual([]);
  });
});

describe("the process that reads a video", () => {
  const children = () =>
    readdirSync("/proc/self/task").flatMap((task) =>
      readFileSync(`/proc/self/task/${task}/children`, "utf8")
        .split(" ")
        .filter(Boolean)
        .filter((pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("capture-program")),
    );

  it("opens no inspector on SIGUSR1", async () => {
    const capture = startCapture({ kind: "file", environment: process.env, onLine: () => undefined });
    expect(await capture.next()).toEqual({ kind: "ready" });
    const pids = children();
    expect(pids).toHaveLength(1);
    for (let signals = 0; signals < 3; signals++) {
      process.kill(Number(pids[0]), "SIGUSR1");
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    // It lives, and does what it is told.
    capture.order({
      kind: "file",
      address: "/nowhere.mp4",
      recorded: true,
      timed: true,
      width: 64,
      height: 48,
      framerate: 1,
    });
    expect(capture.ending()).toBeNull();
    await capture.next();
    expect(capture.words()).not.toMatch(/debugger/i);
    await capture.stop();
    expect(children()).toEqual([]);
  });
});
