import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer as createHttpServer, type ServerResponse } from "node:http";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cv } from "../../src/base/opencv.js";
import { createCamera } from "../../src/camera/create.js";
import { createFreezeWatch } from "../../src/camera/frozen.js";
import { createMasks } from "../../src/camera/masks.js";
import { superviseCamera } from "../../src/camera/supervisor.js";
import { createMessageReader, encodeMessage } from "../../src/camera/video/capture-protocol.js";
import { createLineLimit, decoderSize, readableLine } from "../../src/camera/video/capture-words.js";
import { createMediaTime } from "../../src/camera/video/media-time.js";
import { clockwiseTurn } from "../../src/camera/video/orientation.js";
import { parseVideoUri } from "../../src/config/video-uri.js";
import { listeningLog, play, sourceOf } from "./helpers.js";

const CASES = new URL("../../../shared/cases/camera/", import.meta.url).pathname;
const here = existsSync(CASES);

let folder = "";
const servers: Server[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "emotiond-test-"));
});

afterAll(async () => {
  for (const server of servers) server.close();
  await rm(folder, { recursive: true });
});

const video = (uri: string, more: Parameters<typeof sourceOf>[0] = {}, log = listeningLog()) =>
  createCamera(sourceOf({ type: "video", uri, realtime: false, ...more }), createMasks([]), { log });

async function serve(answer: (socket: Socket, request: string) => void): Promise<number> {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.on("data", (bytes) => answer(socket, bytes.toString()));
  }).listen(0, "127.0.0.1");
  return portOf(server);
}

async function portOf(server: Server): Promise<number> {
  servers.push(server);
  await once(server, "listening");
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

/** A camera that sends what the function gives for as long as its caller stays. */
function serveStream(type: string, send: (response: ServerResponse, closed: () => boolean) => Promise<void>) {
  const server = createHttpServer((request, response) => {
    response.writeHead(200, { "Content-Type": type });
    if (request.method === "HEAD") {
      response.end();
      return;
    }
    let closed = false;
    response.on("close", () => {
      closed = true;
    });
    void send(response, () => closed).then(() => response.end());
  }).listen(0, "127.0.0.1");
  return portOf(server);
}

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

function jpeg(width: number, height: number, grey: number): Buffer {
  const picture = new cv.Mat(height, width, cv.CV_8UC3, [grey, grey, grey]);
  const bytes = cv.imencode(".jpg", picture);
  picture.release();
  return bytes;
}

const MULTIPART = "multipart/x-mixed-replace; boundary=xx";
const part = (picture: Buffer, rubbish = "") =>
  Buffer.concat([
    Buffer.from(`--xx\r\nContent-Type: image/jpeg\r\nContent-Length: ${picture.length}\r\n\r\n`),
    picture,
    Buffer.from(`\r\n${rubbish}`),
  ]);

/** A film of frames of that size, each a grey level brighter; the picture's upper half is white. */
function writeFilm(path: string, code: string, width: number, height: number, frames = 20): void {
  const writer = new cv.VideoWriter(path, cv.VideoWriter.fourcc(code), 10, new cv.Size(width, height), true);
  for (let frame = 0; frame < frames; frame++) {
    const picture = new cv.Mat(height, width, cv.CV_8UC3, [frame * 5, frame * 5, frame * 5]);
    picture.drawRectangle(
      new cv.Point2(0, 0),
      new cv.Point2(width, height / 2 - 1),
      new cv.Vec3(255, 255, 255),
      -1,
    );
    writer.write(picture);
    picture.release();
  }
  writer.release();
}

describe("a source that does not let go of whoever opens it", () => {
  /** Runs it under the supervisor for a while, and stops it. */
  const holds = async (uri: string) => {
    const stop = new AbortController();
    const log = listeningLog();
    const supervisor = superviseCamera({
      camera: video(uri, {}, log),
      deliver: async (frame) => frame.release(),
      log,
    });
    let ticks = 0;
    const ticking = setInterval(() => ticks++, 10);
    const over = supervisor.run(stop.signal);
    await pause(5_000);
    const ticked = ticks;
    expect(readers()).toHaveLength(1);
    const begun = performance.now();
    stop.abort();
    expect(await over).toBe("stopped");
    const took = performance.now() - begun;
    clearInterval(ticking);
    expect(log.warnings).toEqual([]);
    expect(readers()).toEqual([]);
    return { ticked, took };
  };

  it.each(["an HTTP server that trickles", "an RTSP server that trickles", "a named pipe without a writer"])(
    "blocks nothing, and is let go of in time: %s",
    async (which) => {
      const drip = (socket: Socket, words: string) => {
        let at = 0;
        const timer = setInterval(() => socket.write(words.charAt(at++ % words.length)), 500);
        socket.on("close", () => clearInterval(timer));
      };
      let uri = join(folder, "pipe.avi");
      if (which.includes("pipe")) execFileSync("mkfifo", [uri]);
      else if (which.includes("HTTP")) {
        const port = await serve((socket, request) => {
          if (request.startsWith("HEAD")) socket.end("HTTP/1.0 200 OK\r\n\r\n");
          else
            drip(socket, "HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\nX: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
        });
        uri = `http://127.0.0.1:${port}/a.ts`;
      } else {
        const port = await serve((socket, request) => {
          if (request.startsWith("OPTIONS"))
            socket.write(
              `RTSP/1.0 200 OK\r\n${/cseq: \d+/i.exec(request)?.[0]}\r\nPublic: OPTIONS, DESCRIBE\r\n\r\n`,
            );
          else drip(socket, "RTSP/1.0 200 OK\r\nX: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
        });
        uri = `rtsp://127.0.0.1:${port}/a`;
      }
      const { ticked, took } = await holds(uri);
      expect(ticked).toBeGreaterThan(100);
      expect(took).toBeLessThan(3_500);
    },
  );
});

/** The processes of this one's that read a video. */
function readers(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const parent = /^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
        const line = readFileSync(`/proc/${pid}/cmdline`, "utf8");
        return Number(parent) === process.pid && line.includes("capture-program");
      } catch {
        return false;
      }
    });
}

describe("OpenCV's crash", () => {
  it("ends the attempt, and not the process", async () => {
    const film = join(folder, "crash.avi");
    writeFilm(film, "MJPG", 160, 120);
    const failure: unknown = await play(video(film), undefined, ({ number }) => {
      if (number === 2) for (const pid of readers()) process.kill(pid, "SIGSEGV");
    }).catch((error: unknown) => error);
    expect(String(failure)).toMatch(
      /OpenCV came to an end \(SIGSEGV\) while it read .*crash\.avi, after \d+ frames/,
    );
  });
});

describe("a live camera", () => {
  it("that changes its resolution is opened again: MJPEG", async () => {
    const [before, after] = [jpeg(320, 240, 200), jpeg(640, 480, 20)];
    const port = await serveStream(MULTIPART, async (response, closed) => {
      for (let sent = 0; !closed(); sent++) {
        response.write(part(sent < 15 ? before : after));
        await pause(50);
      }
    });
    const widths: number[] = [];
    const failure: unknown = await play(video(`http://127.0.0.1:${port}/x`), undefined, ({ width }) => {
      widths.push(width);
    }).catch((error: unknown) => error);
    expect(String(failure)).toContain("changed the size of its pictures from 320 × 240 to 640 × 480");
    expect(new Set(widths)).toEqual(new Set([320]));
    expect(widths.length).toBeGreaterThan(5);
  });

  it("that changes its resolution is opened again: H.264", async () => {
    const files = ["a.ts", "b.ts"].map((name) => join(folder, name));
    writeFilm(files[0] ?? "", "avc1", 320, 240, 40);
    writeFilm(files[1] ?? "", "avc1", 640, 480, 40);
    const stream = Buffer.concat(files.map((file) => readFileSync(file)));
    const port = await serveStream("video/mp2t", async (response, closed) => {
      for (let at = 0; at < stream.length && !closed(); at += 188 * 8) {
        response.write(stream.subarray(at, at + 188 * 8));
        await pause(10);
      }
    });
    const failure: unknown = await play(video(`http://127.0.0.1:${port}/x.ts`)).catch(
      (error: unknown) => error,
    );
    expect(String(failure)).toContain("changed the size of its pictures from 320x240 to 640x480");
  });

  it("that sends rubbish between its pictures is read all the same", async () => {
    const port = await serveStream(MULTIPART, async (response, closed) => {
      for (let sent = 0; sent < 30 && !closed(); sent++) {
        response.write(part(jpeg(64, 64, sent * 5), "rubbish\r\n<p>more of it</p>\r\n\r\n"));
        await pause(20);
      }
    });
    const levels: number[] = [];
    await play(video(`http://127.0.0.1:${port}/x`), undefined, (frame) => {
      levels.push(frame.grey.at(32, 32));
    }).catch(() => undefined);
    expect(levels.length).toBeGreaterThanOrEqual(28);
  });

  it("whose pictures stand still has stalled", async () => {
    const picture = jpeg(64, 64, 90);
    const port = await serveStream(MULTIPART, async (response, closed) => {
      while (!closed()) {
        response.write(part(picture));
        await pause(100);
      }
    });
    await expect(play(video(`http://127.0.0.1:${port}/x`))).rejects.toThrow(
      /stands still: its pictures have been bit for bit the same for 10 s/,
    );
  });

  it("stands still after ten seconds, and each time in vain after twice as long", () => {
    const watch = createFreezeWatch();
    const [one, two] = [Buffer.from("one"), Buffer.from("two")];
    expect(watch.check(one, 0)).toBeNull();
    expect(watch.check(one, 9_999)).toBeNull();
    expect(watch.check(one, 10_000)).toBe(10_000);
    watch.restart();
    expect(watch.check(one, 20_000)).toBeNull();
    expect(watch.check(one, 39_999)).toBeNull();
    expect(watch.check(one, 40_000)).toBe(20_000);
    watch.restart();
    expect(watch.check(one, 50_000)).toBeNull();
    // It moves: it is a camera after all.
    expect(watch.check(two, 60_000)).toBeNull();
    expect(watch.check(two, 69_999)).toBeNull();
    expect(watch.check(two, 70_000)).toBe(10_000);
  });
});

describe("a film", () => {
  /** The place of the white half. */
  const bright = async (file: string) => {
    let found = "";
    await play(video(file), 1, ({ grey, width, height }) => {
      const at = (x: number, y: number) => grey.at(Math.floor(y * height), Math.floor(x * width)) > 128;
      const sides = { top: at(0.5, 0.1), right: at(0.9, 0.5), bottom: at(0.5, 0.9), left: at(0.1, 0.5) };
      const places = [
        ["top", sides.top && !sides.bottom],
        ["right", sides.right && !sides.left],
        ["bottom", sides.bottom && !sides.top],
        ["left", sides.left && !sides.right],
      ] as const;
      found = `${places.find(([, here]) => here)?.[0]} of ${width} × ${height}`;
    });
    return found;
  };

  it.each([
    [0, [1, 0, 0, 1], "top of 320 × 240"],
    [90, [0, 1, -1, 0], "right of 240 × 320"],
    [180, [-1, 0, 0, -1], "bottom of 320 × 240"],
    [270, [0, -1, 1, 0], "left of 240 × 320"],
  ] as const)("that is to be turned by %i° is", async (degrees, [a, b, c, d], place) => {
    const file = join(folder, `turned-${degrees}.mp4`);
    writeFilm(file, "avc1", 320, 240, 5);
    const bytes = readFileSync(file);
    // The matrix stands 44 bytes into the track's header, in 16.16 fixed point.
    const matrix = bytes.indexOf("tkhd") + 44;
    for (const [index, value] of [a, b, 0, c, d, 0].entries()) {
      if (index % 3 !== 2) bytes.writeInt32BE(value * 65536, matrix + index * 4);
    }
    await writeFile(file, bytes);
    expect(await bright(file)).toBe(place);
  });

  it("is turned the right way by every OpenCV: 4.6 tells the angle the wrong way round", () => {
    expect([0, 90, 180, 270].map((told) => clockwiseTurn(told, "… OpenCV 4.10.0 =="))).toEqual([
      0, 90, 180, 270,
    ]);
    expect([0, 90, 180, 270].map((told) => clockwiseTurn(told, "… OpenCV 4.6.0 =="))).toEqual([
      0, 270, 180, 90,
    ]);
    expect(clockwiseTurn(Number.NaN, "")).toBe(0);
    expect(clockwiseTurn(-90, "")).toBe(270);
  });

  it.skipIf(!here)("of a phone is upright (skipped without ../shared/cases)", async () => {
    const means: number[][] = [];
    for (const file of ["phone-portrait.mp4", "upright.mp4"]) {
      await play(video(join(CASES, file)), 1, ({ grey, width, height }) => {
        expect([width, height]).toEqual([480, 320]);
        means.push([40, 160, 280].flatMap((y) => [60, 240, 420].map((x) => grey.at(y, x))));
      });
    }
    const [turned = [], upright = []] = means;
    for (const [index, level] of turned.entries())
      expect(Math.abs(level - (upright[index] ?? 0))).toBeLessThan(30);
  });

  it.skipIf(!here)("of a browser lasts as long as it was (skipped without ../shared/cases)", async () => {
    const seen = await play(video(join(CASES, "mediarecorder.webm")));
    expect(seen).toHaveLength(63);
    expect((seen.at(-1)?.steadyAt ?? 0) - (seen[0]?.steadyAt ?? 0)).toBeCloseTo(5_017, 0);
    const begun = performance.now();
    await play(video(join(CASES, "mediarecorder.webm"), { realtime: true }), 20);
    expect(performance.now() - begun).toBeGreaterThan(1_000);
  });

  it.skipIf(!here)(
    "with a damaged packet is read on, and says so (skipped without ../shared/cases)",
    async () => {
      const log = listeningLog();
      const seen = await play(video(join(CASES, "damaged-packet.mp4"), {}, log));
      expect(seen.length).toBeGreaterThanOrEqual(61);
      expect(log.warnings).toEqual([expect.stringMatching(/^[12] of 63 frames are missing/)]);
      const sound = listeningLog();
      expect(await play(video(join(CASES, "upright.mp4"), {}, sound))).toHaveLength(63);
      expect(sound.warnings).toEqual([]);
    },
  );

  it("that was cut short says how many frames are missing", async () => {
    const whole = join(folder, "whole.avi");
    writeFilm(whole, "MJPG", 320, 240, 40);
    const bytes = readFileSync(whole);
    const cut = join(folder, "cut.avi");
    await writeFile(cut, bytes.subarray(0, Math.floor(bytes.length * 0.6)));
    const log = listeningLog();
    const seen = await play(video(cut, {}, log));
    expect(seen.length).toBeGreaterThan(10);
    expect(seen.length).toBeLessThan(38);
    expect(log.warnings).toEqual([
      `${40 - seen.length} of 40 frames are missing: the file is damaged, or was cut short; \`ffmpeg -v error -i FILE -f null -\` shows where`,
    ]);
  });
});

describe("a film's time", () => {
  it("is its frames' own, and always grows", () => {
    const time = createMediaTime(0.001);
    const told = [1, 1.08, 1.177, 1.295, 1.334, 1.4];
    expect(told.map((at) => Number(time.at(at).toFixed(3)))).toEqual([0, 0.08, 0.177, 0.295, 0.334, 0.4]);
    expect(time.next()).toBeCloseTo(0.48, 6);
  });

  it("goes on at its usual pace where they are missing, repeat, or jump", () => {
    const time = createMediaTime(0.1);
    const told = [0, 0.1, 0.2, 0, 0, 0.1, 5_000, 5_000.1];
    expect(told.map((at) => Number(time.at(at).toFixed(3)))).toEqual([0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]);
    const none = createMediaTime(0.04);
    expect([0, 0, 0].map((at) => none.at(at))).toEqual([0, 0.04, 0.08]);
  });
});

describe("what the process that reads a video says", () => {
  it("is put together from whatever pieces the pipe delivers", () => {
    const told: unknown[] = [];
    const read = createMessageReader(
      (bytes) => Buffer.alloc(bytes),
      (message, picture) => told.push([message, picture.toString()]),
    );
    const end = { kind: "end", damaged: 2 } as const;
    const frame = { kind: "frame", width: 2, height: 1, channels: 3, seconds: 0.5, readAt: 7 } as const;
    const bytes = Buffer.concat([
      ...encodeMessage(frame, Buffer.from("abcdef")),
      ...encodeMessage(end),
      ...encodeMessage(frame, Buffer.from("ghijkl")),
    ]);
    for (const length of [1, 7, bytes.length]) {
      for (let at = 0; at < bytes.length; at += length) read(bytes.subarray(at, at + length));
      expect(told.splice(0)).toEqual([
        [frame, "abcdef"],
        [end, ""],
        [frame, "ghijkl"],
      ]);
    }
  });

  it("is told without secrets, and without what nobody wants to know", () => {
    const stream = parseVideoUri("rtsp://me:hidden%23word@cam/user=admin_password=tlJw?channel=1");
    expect(readableLine("[OPENCV:FFMPEG:40] anything", stream)).toBeNull();
    expect(readableLine("[OPENCV:FFMPEG:16] method DESCRIBE failed: 401 Unauthorized", stream)).toBe(
      "method DESCRIBE failed: 401 Unauthorized",
    );
    for (const line of [
      "[OPENCV:FFMPEG:24] cannot open rtsp://me:hidden%23word@cam/user=admin_password=tlJw?channel=1",
      "path /user=admin_password=tlJw?channel=1 of hidden#word",
    ])
      expect(readableLine(line, stream)).not.toMatch(/hidden|tlJw/);
    expect(decoderSize("[OPENCV:FFMPEG:40] Reinit context to 640x368, pix_fmt: yuv420p")).toBe("640x368");
  });

  it("is a few lines a second, and how many were left out", () => {
    const passed: string[] = [];
    let now = 0;
    const limit = createLineLimit(
      (line) => passed.push(line),
      () => now,
    );
    for (let line = 0; line < 25; line++) limit(`line ${line}`);
    expect(passed).toHaveLength(10);
    now = 1_000;
    limit("later");
    expect(passed.slice(10)).toEqual(["15 more lines in a second were left out", "later"]);
  });
});
