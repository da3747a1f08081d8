import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cv, type Mat } from "../../src/base/opencv.js";
import { CameraError } from "../../src/camera/camera.js";
import { createCamera, isLossless } from "../../src/camera/create.js";
import { createMasks } from "../../src/camera/masks.js";
import { supervisorTimes } from "../../src/camera/supervisor.js";
import { deviceTimeout, ffmpegOptions } from "../../src/camera/video/capture-route.js";
import { needGStreamer, probePipeline, reasonIn } from "../../src/camera/video/pipeline-probe.js";
import { reach } from "../../src/camera/video/reach.js";
import { ConfigError } from "../../src/config/problem.js";
import { describeVideo, parseVideoUri } from "../../src/config/video-uri.js";
import { play, sourceOf } from "./helpers.js";

const CLIP = new URL("../../../shared/data/media/head-pose-face-detection-male.avi", import.meta.url)
  .pathname;

let folder = "";
/** 20 frames of 160 × 120 at 20/s, each a grey level brighter than the one before. */
let short = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "emotiond-test-"));
  short = join(folder, "short.avi");
  const writer = new cv.VideoWriter(short, cv.VideoWriter.fourcc("MJPG"), 20, new cv.Size(160, 120), true);
  for (let frame = 0; frame < 20; frame++) {
    const picture = new cv.Mat(120, 160, cv.CV_8UC3, [frame * 10, frame * 10, frame * 10]);
    writer.write(picture);
    picture.release();
  }
  writer.release();
});

afterAll(() => rm(folder, { recursive: true }));

const video = (uri: string, more: Parameters<typeof sourceOf>[0] = {}) =>
  createCamera(sourceOf({ type: "video", uri, realtime: false, ...more }), createMasks([]));

describe("a video file", () => {
  it("delivers every frame in media time, and ends", async () => {
    let begun = 0;
    const levels: number[] = [];
    const seen = await play(video(short), undefined, (frame) => {
      if (levels.length === 0) begun = performance.now();
      levels.push(frame.grey.at(60, 80));
    });
    expect(seen.map(({ number }) => number)).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
    for (const [index, level] of levels.entries()) expect(Math.abs(level - index * 10)).toBeLessThan(4);
    const [first] = seen;
    for (const [index, frame] of seen.entries()) {
      expect(frame.takenAt - (first?.takenAt ?? 0)).toBeCloseTo(index * 50, 3);
      expect(frame.steadyAt - (first?.steadyAt ?? 0)).toBeCloseTo(index * 50, 3);
    }
    expect(performance.now() - begun).toBeLessThan(900);
  });

  it("is paced at its own rate in real time", async () => {
    const begun = performance.now();
    const seen = await play(video(short, { realtime: true }));
    expect(performance.now() - begun).toBeGreaterThan(900);
    expect(seen).toHaveLength(20);
    expect((seen.at(-1)?.takenAt ?? 0) - (seen[0]?.takenAt ?? 0)).toBeGreaterThan(850);
  });

  it("starts again when it loops, and its numbers and media time go on", async () => {
    const seen = await play(video(short, { loop: true }), 50);
    expect(seen.at(-1)?.number).toBe(50);
    expect((seen.at(-1)?.takenAt ?? 0) - (seen[0]?.takenAt ?? 0)).toBeCloseTo(49 * 50, 3);
  });

  it("is scaled down to fit inside the size asked for, and never up", async () => {
    const [small] = await play(video(short, { width: 80, height: 80 }), 1);
    expect(small).toMatchObject({ width: 80, height: 60 });
    const [kept] = await play(video(short, { width: 640, height: 480 }), 1);
    expect(kept).toMatchObject({ width: 160, height: 120 });
  });

  it.skipIf(!existsSync(CLIP))("plays a clip with faces (skipped without ../shared/data)", async () => {
    const seen = await play(video(CLIP));
    expect(seen).toHaveLength(62);
    expect(seen[0]).toMatchObject({ width: 480, height: 270 });
  });
});

describe("a device", () => {
  it("is read in less than the supervisor's patience, unless it is asked for slow frames", () => {
    expect(deviceTimeout(30)).toBeLessThan(supervisorTimes.nextFrame / 1000);
    expect(deviceTimeout(0.1)).toBe(30);
  });
});

describe("what is no video", () => {
  it("is refused with its cure", async () => {
    const text = join(folder, "text.txt");
    const renamed = join(folder, "renamed.avi");
    const noise = join(folder, "noise.avi");
    const empty = join(folder, "empty.avi");
    await writeFile(text, "no video\n".repeat(500));
    await copyFile(text, renamed);
    await writeFile(noise, Buffer.from(Array.from({ length: 50_000 }, (_, index) => (index * 7919) % 251)));
    await writeFile(empty, "");
    await mkdir(join(folder, "photos"));
    for (const [uri, message] of [
      [text, "is a text file, not a video"],
      [renamed, "is a text file, not a video"],
      [noise, "is no video that OpenCV can read"],
      [empty, "is empty"],
      [join(folder, "photos"), "set source.type: stills"],
      [join(folder, "missing.avi"), "there is no such file; check source.uri"],
      ["/dev/video77", "there is no such file"],
      ["/dev/null", "does not open"],
      ["nosuchelement ! appsink", "gst-launch-1.0"],
    ] as const) {
      const error: unknown = await play(video(uri)).catch((reason: unknown) => reason);
      expect(error, uri).toBeInstanceOf(CameraError);
      expect(String(error), uri).toContain(message);
    }
  });

  it("is no device: the ones that there are, or what to plug in, are named", async () => {
    await expect(play(video("/dev/video77"))).rejects.toThrow(/set source\.uri to one of|plug one in/);
  });
});

describe("a GStreamer pipeline", () => {
  const pipeline =
    "videotestsrc num-buffers=15 pattern=white ! video/x-raw,width=320,height=240,framerate=30/1 ! videoconvert ! video/x-raw,format=BGR ! appsink";
  const plays = /GStreamer:\s+YES/.test(cv.getBuildInformation());

  it.skipIf(!plays)("is live: its frames come, and its end is a failure", async () => {
    let brightest = 0;
    const seen: number[] = [];
    const failure: unknown = await play(video(pipeline), undefined, (frame) => {
      seen.push(frame.number);
      brightest = frame.grey.at(100, 100);
    }).catch((error: unknown) => error);
    // Where the base plugins are not installed, it says that instead.
    if (String(failure).includes("does not start")) return;
    expect(String(failure)).toContain("ended after 15 frames");
    expect(seen).toHaveLength(15);
    expect(brightest).toBeGreaterThan(230);
  });
});

describe("a GStreamer pipeline's picture", () => {
  const plays = /GStreamer:\s+YES/.test(cv.getBuildInformation());
  const red = (format: string) =>
    `videotestsrc num-buffers=3 pattern=red ! videoconvert ! video/x-raw,format=${format},width=320,height=240 ! appsink`;
  /** Of the first frame: the grey level, and blue, green and red. */
  const look = async (format: string, masks: Parameters<typeof createMasks>[0] = []) => {
    const camera = createCamera(sourceOf({ type: "video", uri: red(format) }), createMasks(masks));
    let seen: unknown;
    await play(camera, 1, async (frame) => {
      const picture = await frame.picture();
      const { b, g, r } = bgrAt(picture);
      seen = { grey: frame.grey.at(100, 100), type: picture.type, b, g, r };
    });
    return seen;
  };
  const bgrAt = (picture: Mat) => {
    const { x: b, y: g, z: r } = picture.at(100, 100) as unknown as Record<"x" | "y" | "z", number>;
    return { b, g, r };
  };

  it.skipIf(!plays).each(["BGR", "BGRx", "BGRA"])("may be %s, and is then the same", async (format) => {
    expect(await look(format)).toEqual({ grey: 76, type: cv.CV_8UC3, b: 0, g: 0, r: 255 });
  });

  it.skipIf(!plays)("may be GRAY8", async () => {
    const seen = await look("GRAY8");
    expect(seen).toMatchObject({ type: cv.CV_8UC3 });
  });

  it.skipIf(!plays)("is masked with four channels, too", async () => {
    const everything = [
      [
        [0, 0],
        [1, 0],
        [1, 1],
        [0, 1],
      ],
    ] as Parameters<typeof createMasks>[0];
    expect(await look("BGRx", everything)).toEqual({ grey: 0, type: cv.CV_8UC3, b: 0, g: 0, r: 0 });
  });

  it.skipIf(!plays).each(["NV12", "I420", "YUY2", "GRAY16_LE"])(
    "is refused as %s, with the cure, for its boxes would be wrong",
    async (format) => {
      const failure: unknown = await play(video(red(format))).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(CameraError);
      expect(String(failure)).toContain("must end in `videoconvert ! video/x-raw,format=BGR ! appsink`");
    },
  );
});

describe("a live GStreamer pipeline, before it is opened", () => {
  const plays = /GStreamer:\s+YES/.test(cv.getBuildInformation());
  const probe = (pipeline: string, signal = new AbortController().signal) =>
    probePipeline({ pipeline, description: "GStreamer x" }, signal);

  it.skipIf(!plays)("is tried elsewhere: a silent source blocks nothing, and is told of", async () => {
    const { server, port } = await silentServer();
    let ticks = 0;
    const ticking = setInterval(() => ticks++, 10);
    const failure: unknown = await probe(
      `tcpclientsrc host=127.0.0.1 port=${port} ! rawvideoparse width=64 height=48 format=bgr ! appsink`,
    ).catch((error: unknown) => error);
    clearInterval(ticking);
    expect(failure).toBeInstanceOf(CameraError);
    expect(String(failure)).toContain("GStreamer x is silent: no frame within 10 s");
    expect(ticks).toBeGreaterThan(500);
    server.close();
  });

  it.skipIf(!plays)("is let go of when the attempt ends, and its source is free again", async () => {
    const { server, port, closed } = await silentServer();
    const stop = new AbortController();
    server.once("connection", () => stop.abort());
    await probe(
      `tcpclientsrc host=127.0.0.1 port=${port} ! rawvideoparse width=64 height=48 format=bgr ! appsink`,
      stop.signal,
    );
    await closed;
    server.close();
  });

  it("needs an OpenCV that can open it", () => {
    expect(() => needGStreamer("GStreamer x", "  GStreamer:                   NO")).toThrow(
      "built without GStreamer",
    );
    expect(() => needGStreamer("GStreamer x", "  GStreamer:   YES (1.22.0)")).not.toThrow();
  });

  it.skipIf(!plays)("may have blanks, quotes and several sinks", async () => {
    await probe(
      `videotestsrc is-live=true ! tee name=t t. ! queue ! fakesink t. ! queue ! videoconvert name="a  b" ! video/x-raw, format=BGR ! appsink drop = true`,
    );
  });

  it.skipIf(!plays)("says what GStreamer has against it, but no secret", async () => {
    await expect(probe("v4l2src device=/dev/video77 ! appsink")).rejects.toThrow(
      /GStreamer says: (v4l2src0 reported: Cannot identify device|no element "v4l2src")/,
    );
    await expect(probe("nosuchelement ! appsink")).rejects.toThrow(
      /^the pipeline GStreamer x does not start \(GStreamer says: no element "nosuchelement".*\): try it with gst-launch/,
    );
    const failure: unknown = await probe(
      `rtspsrc location="rtsp://me:hidden@127.0.0.1:1/a" user-pw=hush protocols=hush ! decodebin ! appsink`,
    ).catch((error: unknown) => error);
    expect(String(failure)).toContain("protocols");
    expect(String(failure)).not.toMatch(/hidden|hush/);
    expect(
      reasonIn(
        "GStreamer warning: Embedded video playback halted; module a reported: bad http://u:p@h/x there",
        "a ! appsink",
      ),
    ).toBe("a reported: bad … there");
  });

  it.skipIf(!plays)("is not tried when its peer would have to come twice", async () => {
    expect(await probe("tcpserversrc port=1 ! nosuchelement ! appsink")).toBe(false);
  });
});

/** Accepts connections, and says nothing. */
async function silentServer() {
  let hungUp: () => void = () => undefined;
  const closed = new Promise<void>((resolve) => {
    hungUp = resolve;
  });
  const server = createServer((socket) => {
    socket.on("error", () => undefined).on("close", () => hungUp());
    socket.resume();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return { server, closed, port: typeof address === "object" && address !== null ? address.port : 0 };
}

describe("a GStreamer pipeline that reads a file", () => {
  const plays = /GStreamer:\s+YES/.test(cv.getBuildInformation());

  it.skipIf(!plays)("ends as a file does, and none of its frames is lost to a slow reader", async () => {
    const photo = join(folder, "white.png");
    const pixel = new cv.Mat(240, 320, cv.CV_8UC3, [255, 255, 255]);
    cv.imwrite(photo, pixel);
    const camera = video(
      `filesrc location=${photo} ! pngdec ! imagefreeze num-buffers=15 ! videoconvert ! video/x-raw,format=BGR,framerate=30/1 ! appsink`,
      { realtime: false },
    );
    const seen = await play(camera, undefined, async () => {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }).catch((error: unknown) => {
      // Where the good plugins are not installed, it says so.
      expect(String(error)).toContain("does not start");
      return [];
    });
    if (seen.length === 0) return;
    expect(seen).toHaveLength(15);
    expect((seen.at(-1)?.steadyAt ?? 0) - (seen[0]?.steadyAt ?? 0)).toBeCloseTo((14 * 1000) / 30, 0);
  });
});

describe("a network stream", () => {
  it("is read from an IP camera, and its password is never told", async () => {
    const picture = new cv.Mat(64, 64, cv.CV_8UC3, [90, 90, 90]);
    const server = spawn("node", [new URL("./stand-ins/ip-camera.mjs", import.meta.url).pathname], {
      env: { ...process.env, PICTURE: cv.imencode(".jpg", picture).toString("base64") },
      stdio: ["ignore", "pipe", "inherit"],
    });
    try {
      const [port] = (await once(server.stdout, "data")) as [Buffer];
      const camera = video(`http://owner:secret@127.0.0.1:${Number(String(port))}/stream?token=abc`);
      expect(camera.description).toBe(`http://127.0.0.1:${Number(String(port))}/stream`);
      const failure: unknown = await play(camera).catch((error: unknown) => error);
      expect(String(failure)).toMatch(/ended after \d+ frames/);
      expect(String(failure)).not.toMatch(/secret|owner|abc/);
    } finally {
      server.kill();
    }
  });

  it("of a host that refuses fails at once, without its password in the message", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    server.close();
    await once(server, "close");
    const failure: unknown = await play(video(`rtsp://owner:secret@127.0.0.1:${port}/live`)).catch(
      (error: unknown) => error,
    );
    expect(String(failure)).toContain(`127.0.0.1:${port} cannot be reached: connection refused`);
    expect(String(failure)).not.toContain("secret");
  });

  it("of a host that says nothing is not opened, for that would block", async () => {
    const server = createServer(() => undefined).listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const at = { protocol: "rtsp:", host: "127.0.0.1", port };
    let ticks = 0;
    const ticking = setInterval(() => ticks++, 10);
    await expect(reach(at, 300, new AbortController().signal)).rejects.toThrow("says nothing for 0.3 s");
    clearInterval(ticking);
    expect(ticks).toBeGreaterThan(5);
    await expect(
      reach({ ...at, protocol: "https:" }, 300, new AbortController().signal),
    ).resolves.toBeUndefined();
    server.close();
  });

  it("bounds FFmpeg's patience, in the words of its version, and knows slow cameras", () => {
    expect(ffmpegOptions("rtsp://x/", "avformat: YES (59.27.100)", 30)).toBe(
      "rtsp_transport;tcp|timeout;4000000",
    );
    expect(ffmpegOptions("rtsp://x/", "avformat: YES (58.76.100)", 30)).toBe(
      "rtsp_transport;tcp|stimeout;4000000",
    );
    expect(ffmpegOptions("http://x/", "avformat: YES (58.76.100)", 30)).toBe("rw_timeout;4000000");
    expect(ffmpegOptions("http://x/", "avformat: YES (59.27.100)", 0.2)).toBe("rw_timeout;15000000");
  });
});

describe("source.uri", () => {
  it("tells devices, streams, pipelines and files apart", () => {
    expect(parseVideoUri("/dev/video2")).toEqual({ kind: "device", path: "/dev/video2" });
    expect(parseVideoUri("0")).toEqual({ kind: "device", path: "/dev/video0" });
    expect(parseVideoUri("rtsp://cam.local/live")).toMatchObject({
      kind: "stream",
      host: "cam.local",
      port: 554,
    });
    expect(parseVideoUri("http://[::1]:8080/x")).toMatchObject({ kind: "stream", host: "::1", port: 8080 });
    expect(parseVideoUri("udp://239.0.0.1:1234")).toMatchObject({ kind: "stream", port: null });
    expect(parseVideoUri("file:///tmp/a%20b.mp4")).toEqual({ kind: "file", path: "/tmp/a b.mp4" });
    expect(parseVideoUri("clips/a.avi")).toEqual({ kind: "file", path: "clips/a.avi" });
    expect(() => parseVideoUri("rtsp://[")).toThrow(ConfigError);
  });

  it("is what is there, whatever its name looks like", async () => {
    const odd = ["12:30:00.mp4", "Hello ! World.mp4", "rtsp:x.mp4", "file:x.mp4", "7", "a@b:c.mp4"];
    for (const name of odd) await writeFile(join(folder, name), "x");
    const before = process.cwd();
    process.chdir(folder);
    try {
      for (const name of odd) {
        const source = parseVideoUri(name);
        expect(source.kind, name).toBe("file");
        // FFmpeg takes a path with a slash for a file.
        if (source.kind === "file") expect(source.path, name).toBe(name.includes(":") ? `./${name}` : name);
        expect(parseVideoUri(join(folder, name)), name).toEqual({ kind: "file", path: join(folder, name) });
      }
    } finally {
      process.chdir(before);
    }
    for (const name of ["/media/no ! such.mp4", "./no ! such.mp4", "No ! such one.mp4"])
      expect(parseVideoUri(name)).toEqual({ kind: "file", path: name });
    expect(parseVideoUri("12:30:00.mp4")).toEqual({ kind: "file", path: "./12:30:00.mp4" });
    expect(parseVideoUri("concat:a.mp4|b.mp4")).toEqual({ kind: "file", path: "./concat:a.mp4|b.mp4" });
    expect(parseVideoUri("videotestsrc !\n appsink")).toMatchObject({ kind: "pipeline" });
  });

  it("is a device where one is, and a file in /dev/shm", () => {
    expect(parseVideoUri("/dev/shm/x.mp4")).toEqual({ kind: "file", path: "/dev/shm/x.mp4" });
    expect(parseVideoUri("/dev/../tmp/x.mp4")).toMatchObject({ kind: "file" });
    expect(parseVideoUri("/dev/v4l/by-id/none")).toMatchObject({ kind: "device" });
    expect(parseVideoUri("/dev/video99")).toEqual({ kind: "device", path: "/dev/video99" });
    expect(parseVideoUri("/proc/self/root/dev/null")).toMatchObject({ kind: "device" });
    expect(parseVideoUri("file:///dev/video99")).toEqual({ kind: "device", path: "/dev/video99" });
  });

  it("may be a file's address of this machine", () => {
    expect(parseVideoUri("file:///tmp/a%20b.mp4")).toEqual({ kind: "file", path: "/tmp/a b.mp4" });
    expect(parseVideoUri("file://localhost/tmp/a.mp4")).toEqual({ kind: "file", path: "/tmp/a.mp4" });
    expect(parseVideoUri("file:/tmp/a.mp4")).toEqual({ kind: "file", path: "/tmp/a.mp4" });
    expect(parseVideoUri("file:clip.mp4")).toEqual({ kind: "file", path: "clip.mp4" });
    for (const uri of [
      "file://clip.mp4",
      "file://~/clip.mp4",
      "file:///caf%E9.mp4",
      "file:///a%2Fb",
      "file:///%00",
    ])
      expect(() => parseVideoUri(uri), uri).toThrow(ConfigError);
  });

  it("is described without secrets", () => {
    expect(describeVideo(parseVideoUri("rtsp://me:pw@cam:8554/a?key=1"))).toBe("rtsp://cam:8554/a");
    expect(
      describeVideo(parseVideoUri("rtspsrc location=rtsp://me:pw@cam/a user-pw=pw ! decodebin ! appsink")),
    ).toBe("GStreamer rtspsrc ! decodebin ! appsink");
  });

  it("is lossless only for what can wait", () => {
    const lossless = (given: Parameters<typeof sourceOf>[0]) => isLossless(sourceOf(given));
    expect(lossless({ type: "video", uri: "a.avi", realtime: false })).toBe(true);
    expect(lossless({ type: "stills", uri: "photos", realtime: false })).toBe(true);
    expect(lossless({ type: "video", uri: "a.avi" })).toBe(false);
    expect(lossless({ type: "video", uri: "rtsp://cam/a", realtime: false })).toBe(false);
    expect(lossless({ type: "libcamera", realtime: false })).toBe(false);
    const decoded = "decodebin ! videoconvert ! video/x-raw,format=BGR ! appsink";
    const pipeline = (from: string) =>
      lossless({ type: "video", uri: `${from} ! ${decoded}`, realtime: false });
    expect(pipeline("filesrc location=a.mp4")).toBe(true);
    expect(pipeline("uridecodebin uri=file:///a.mp4")).toBe(true);
    expect(pipeline("v4l2src")).toBe(false);
    expect(pipeline("rtspsrc location=rtsp://cam/filesrc")).toBe(false);
  });
});
