import { once } from "node:events";
import { createServer } from "node:net";
import { describe, expect, it } from "vitest";
import { freePort } from "../../scripts/test-support/mosquitto.js";
import { cv } from "../../src/base/opencv.js";
import { checkCamera } from "../../src/commands/doctor.js";
import { sourceOf } from "../camera/helpers.js";

const check = (uri: string) => checkCamera(sourceOf({ type: "video", uri }));
const plays = /GStreamer:\s+YES/.test(cv.getBuildInformation());

describe("the doctor's look at a camera", () => {
  it("connects to a stream's host, and tells no password", async () => {
    const server = createServer((socket) => {
      socket
        .on("error", () => undefined)
        .once("data", () => socket.end("RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n"));
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    expect(await check(`rtsp://owner:secret@127.0.0.1:${port}/live`)).toEqual({
      verdict: "ok",
      text: `rtsp://127.0.0.1:${port}/live: 127.0.0.1:${port} answers`,
    });
    server.close();
    await once(server, "close");
    const failure: unknown = await check(`rtsp://owner:secret@127.0.0.1:${port}/live`).catch(
      (error: unknown) => error,
    );
    expect(String(failure)).toContain("cannot be reached: connection refused");
    expect(String(failure)).not.toContain("secret");
  });

  it("says what it could not try", async () => {
    expect(await check("udp://239.0.0.1:1234")).toMatchObject({ verdict: "warn" });
    if (!plays) return;
    expect(await check(`tcpserversrc port=${await freePort()} ! appsink`)).toMatchObject({ verdict: "warn" });
  });

  it.skipIf(!plays)("tries a pipeline", async () => {
    expect(
      await check("videotestsrc is-live=true ! videoconvert ! video/x-raw,format=BGR ! appsink"),
    ).toEqual({
      verdict: "ok",
      text: "GStreamer videotestsrc ! videoconvert ! video/x-raw ! appsink delivers",
    });
    await expect(check("nosuchelement ! appsink")).rejects.toThrow(/does not start.*must end in/);
    await expect(check("filesrc location=/none.mp4 ! decodebin ! appsink")).rejects.toThrow("does not start");
  });

  it.runIf(!plays)("knows that this OpenCV opens no pipelines", async () => {
    await expect(check("videotestsrc ! appsink")).rejects.toThrow("built without GStreamer");
  });
});
