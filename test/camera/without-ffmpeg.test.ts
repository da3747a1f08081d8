import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cv } from "../../src/base/opencv.js";
import { createFrameMaker } from "../../src/camera/frame-maker.js";
import { createMasks } from "../../src/camera/masks.js";
import { captureRoute } from "../../src/camera/video/capture-route.js";
import { createVideo } from "../../src/camera/video/video.js";
import { parseVideoUri } from "../../src/config/video-uri.js";
import { play, sourceOf } from "./helpers.js";

/** What the package's OpenCV says of itself: GStreamer, and no FFmpeg. */
const BUILD = cv.getBuildInformation().replace(/FFMPEG:\s+YES/, "FFMPEG: NO");
const CASES = new URL("../../../shared/cases/camera/", import.meta.url).pathname;

let folder = "";
const servers: Server[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "emotiond-test-"));
});
afterAll(async () => {
  for (const server of servers) server.close();
  await rm(folder, { recursive: true });
});

function video(uri: string) {
  const lines: string[] = [];
  const keep = (fields: object, message: string) => void lines.push(`${message} ${JSON.stringify(fields)}`);
  const log = { trace: keep, debug: keep, info: keep, warn: keep, error: keep, fatal: keep };
  const source = sourceOf({ type: "video", uri, realtime: false });
  const camera = createVideo({ source, frames: createFrameMaker(createMasks([])), log, build: BUILD });
  return { camera, lines };
}

function jpeg(width: number, height: number, grey: number): Buffer {
  const picture = new cv.Mat(height, width, cv.CV_8UC3, [grey, grey, grey]);
  const bytes = cv.imencode(".jpg", picture);
  picture.release();
  return bytes;
}

/** A camera that asks for `viewer` and `pa55word`, and sends ten pictures a second: 30 small ones, then larger ones. */
async function startCamera(): Promise<number> {
  const login = `Basic ${Buffer.from("viewer:pa55word").toString("base64")}`;
  const server = createServer((request, response) => {
    if (request.headers.authorization !== login) {
      response.writeHead(401, { "WWW-Authenticate": 'Basic realm="camera"' }).end();
      return;
    }
    response.writeHead(200, { "Content-Type": "multipart/x-mixed-replace; boundary=xx" });
    let sent = 0;
    const timer = setInterval(() => {
      const picture = sent < 30 ? jpeg(320, 240, 100 + sent) : jpeg(640, 480, 20);
      sent += 1;
      response.write(`--xx\r\nContent-Type: image/jpeg\r\nContent-Length: ${picture.length}\r\n\r\n`);
      response.write(Buffer.concat([picture, Buffer.from("\r\n")]));
    }, 100);
    response.on("close", () => clearInterval(timer));
  }).listen(0, "127.0.0.1");
  servers.push(server);
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

describe("where OpenCV has no FFmpeg, as in the package", () => {
  it("a film is read to its end, in its own time", async () => {
    const path = join(folder, 'a "film".avi');
    const writer = new cv.VideoWriter(path, cv.VideoWriter.fourcc("MJPG"), 10, new cv.Size(64, 48), true);
    for (let frame = 0; frame < 20; frame++) {
      const picture = new cv.Mat(48, 64, cv.CV_8UC3, [frame * 10, frame * 10, frame * 10]);
      writer.write(picture);
      picture.release();
    }
    writer.release();
    const levels: number[] = [];
    const seen = await play(video(path).camera, undefined, ({ grey }) => {
      levels.push(grey.at(24, 32));
    });
    expect(levels).toHaveLength(20);
    for (const [frame, level] of levels.entries()) expect(Math.abs(level - frame * 10)).toBeLessThan(4);
    expect((seen.at(-1)?.steadyAt ?? 0) - (seen[0]?.steadyAt ?? 0)).toBeCloseTo(1_900, 0);
  });

  it("an IP camera is read with its password, which is never told, and opened again when its size changes", async () => {
    const { camera, lines } = video(`http://viewer:pa55word@127.0.0.1:${await startCamera()}/video.mjpg`);
    const widths: number[] = [];
    const failure: unknown = await play(camera, undefined, ({ width }) => {
      widths.push(width);
    }).catch((error: unknown) => error);
    expect(String(failure)).toContain("changed the size of its pictures from 320 × 240 to 640 × 480");
    // What came while the stream was recognized may be gone.
    expect(widths.length).toBeGreaterThan(15);
    expect(new Set(widths)).toEqual(new Set([320]));
    expect(`${lines.join("\n")}${String(failure)}`).not.toContain("pa55word");
  });

  it("an IP camera with another password says why it does not open", async () => {
    const { camera, lines } = video(`http://viewer:wr0ng@127.0.0.1:${await startCamera()}/video.mjpg`);
    const failure: unknown = await play(camera, 1).catch((error: unknown) => error);
    expect(String(failure)).toMatch(/does not open.*check the path, user and password in source\.uri/);
    expect(`${lines.join("\n")}${String(failure)}`).not.toContain("wr0ng");
  });

  it("RTSP goes over TCP, and nothing in an address becomes an element", () => {
    const address = 'rtsps://viewer:pass@10.0.0.5:8554/a?b="!fakesink"';
    const { kind, address: pipeline } = captureRoute(parseVideoUri(address), { build: BUILD, framerate: 30 });
    expect(kind).toBe("pipeline");
    expect(pipeline).toContain('uri="rtspst://viewer:pass@10.0.0.5:8554/a?b=\\"!fakesink\\""');
  });

  const decodes = () => {
    try {
      execFileSync("gst-inspect-1.0", ["avdec_h264"], { stdio: "ignore" });
      return true;
    } catch {
      return false;
    }
  };
  it.skipIf(!existsSync(CASES) || !decodes())(
    "a phone's film is upright (skipped without ../shared/cases and gstreamer1.0-libav)",
    async () => {
      const means: number[][] = [];
      for (const file of ["phone-portrait.mp4", "upright.mp4"]) {
        await play(video(join(CASES, file)).camera, 1, ({ grey, width, height }) => {
          expect([width, height]).toEqual([480, 320]);
          means.push([40, 160, 280].flatMap((y) => [60, 240, 420].map((x) => grey.at(y, x))));
        });
      }
      const [turned = [], upright = []] = means;
      expect(turned).toHaveLength(9);
      for (const [index, level] of turned.entries())
        expect(Math.abs(level - (upright[index] ?? 0))).toBeLessThan(30);
    },
  );
});
