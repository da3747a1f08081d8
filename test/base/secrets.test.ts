import { beforeAll, describe, expect, it } from "vitest";
import { authorityFault, describeAddress } from "../../src/base/address.js";
import {
  describePipeline,
  mayBeSecret,
  rememberSecret,
  rememberSecretsIn,
  secretsIn,
  valueWithoutSecrets,
  withoutSecrets,
} from "../../src/base/secrets.js";

describe("an address whose user and password are cut short", () => {
  it.each([
    ["rtsp://admin:4711/s3cret@127.0.0.1:8554/s", "write / as %2F"],
    ["rtsp://admin:s3/cret@cam", "write / as %2F"],
    ["rtsp://admin:s3#cret@cam.lan:554/s", "write # as %23"],
    ["rtsp://ad#min:s3cret@cam.lan/s", "write # as %23"],
    ["rtsp://admin:s3?cret@cam.lan", "write ? as %3F"],
    ["http://admin:s3\\cret@cam.lan", "write \\ as %5C"],
    ["rtsp://admin:s3@cret@cam.lan/s", "write @ as %40"],
    ["rtsp://admin:s@3/cret@cam.lan/s", "/ as %2F"],
    ["rtsp://admin:a/b#c?d@cam.lan/s", "write / as %2F, # as %23, ? as %3F"],
  ])("%s", (address, cure) => {
    expect(authorityFault(address)).toContain(cure);
    expect(authorityFault(address)).not.toMatch(/s3|cret|admin|4711/);
    expect(describeAddress(address)).not.toMatch(/s3|cret|admin|4711/);
  });

  it.each([
    "rtsp://admin:s3%2Fcret%40%23%3F@cam.lan:554/stream",
    "rtsp://cam/live",
    "rtsp://me@cam/live",
    "udp://@239.0.0.1:1234",
    "http://192.168.1.5:8080/cgi?user=bob@example.com&pwd=x",
    "rtsp://u:p@192.168.1.5/h264@main",
    "http://cam.lan/cgi?mail=bob@example.com",
    "srt://0.0.0.0:9000?passphrase=x",
    "rtsp://u:p@[fe80::1]:554/a@b",
    "/media/a@b/c.mp4",
  ])("is not %s", (address) => expect(authorityFault(address)).toBeNull());
});

describe("an address for people", () => {
  it.each([
    ["rtsp://me:pw@cam:8554/a?key=1", "rtsp://cam:8554/a"],
    ["rtsp://cam/user=admin_password=s3cret_channel=1_stream=0.sdp?real", "rtsp://cam/…"],
    ["rtsp://cam:554/live/admin/s3cret/ch1", "rtsp://cam:554/live/…/…/ch1"],
    ["rtsp://cam/cam/realmonitor?channel=1&subtype=0", "rtsp://cam/cam/realmonitor"],
    ["rtsp://[::1]:554/Streaming/Channels/101", "rtsp://[::1]:554/Streaming/Channels/101"],
    ["rtmp://live.example/live/abcd-efgh", "rtmp://live.example/live/…"],
    ["srt://host:9000?passphrase=0123456789", "srt://host:9000"],
    ["http://cam/#s3cret", "http://cam/"],
  ])("%s is %s", (address, shown) => expect(describeAddress(address)).toBe(shown));
});

describe("a pipeline for people", () => {
  it.each([
    [
      'rtspsrc location=rtsp://u:p@h/ user-pw="a ! s3cret" ! decodebin ! appsink',
      "rtspsrc ! decodebin ! appsink",
    ],
    ["rtsp://me:s3cret@h/x ! decodebin ! appsink", "… ! decodebin ! appsink"],
    [
      "nvarguscamerasrc ! video/x-raw(memory:NVMM),width=1 ! appsink",
      "nvarguscamerasrc ! video/x-raw ! appsink",
    ],
    ["user-pw=s3cret rtspsrc ! appsink", "… ! appsink"],
    ["tee name=t t. ! queue ! fakesink", "tee ! queue ! fakesink"],
  ])("%s is %s", (pipeline, shown) => expect(describePipeline(pipeline)).toBe(shown));
});

describe("what is printed", () => {
  it.each([
    ["cannot open rtsp://me:s3cret@cam/x now", "cannot open rtsp://…@cam/x now"],
    ["at rtsp://me:4711/s3cret@cam/x", "at rtsp://…@cam/x"],
    ["http://cam/cgi?user=x&pwd=s3cret", "http://cam/cgi?…"],
    ["rtsp://cam/user=a_password=s3cret_channel=1", "rtsp://cam/…"],
    ["no such file: admin:s3cret@cam/stream", "no such file: …@cam/stream"],
    ['could not set user-pw="s3 cret" here', "could not set user-pw=… here"],
    ["srtsink passphrase = s3cret mode=caller", "srtsink passphrase = … mode=caller"],
    ["> Authorization: Basic czNjcmV0", "> Authorization: …"],
    ["rtmp token=s3cret", "rtmp token=…"],
  ])("%j is %j", (text, shown) => expect(withoutSecrets(text)).toBe(shown));

  it.each([
    "mqtt.username: must be set too: a password needs a user name",
    "LoadCredential=mqtt.password:/etc/credstore/emotiond.mqtt.password",
    "the broker at mqtts://broker.lan:8883 answers",
    "sudo systemctl edit emotiond@door, with [Service]",
    "GStreamer has no element rtspsrc: apt install gstreamer1.0-plugins-good",
    "https://example.org/a/b.html#part",
    "12:30:00.mp4: no such file",
    "key frames = 3, fps=25",
  ])("%j stays", (text) => {
    // The part of a page is no more than that.
    expect(withoutSecrets(text)).toBe(text.replace("#part", "#…"));
  });
});

describe("the configuration's own secrets", () => {
  beforeAll(() => {
    rememberSecretsIn("rtsp://operator7:Tr0ub4dor%26%2F3@cam.lan/user=a_password=Hunter2x_channel=1");
    rememberSecretsIn(
      'rtspsrc location="rtsp://cam/" user-id=operator8 user-pw="two words" extra-headers="h,Authorization=(string)\\"Basic QUJDREVG\\"" ! srtsink passphrase=Long,er)one uri=srt://h',
    );
    rememberSecret("Br0kerPass");
  });

  it("are in no text, in whatever form they come back", () => {
    for (const text of [
      "Tr0ub4dor%26%2F3",
      "login operator7 refused",
      "(Tr0ub4dor&/3)",
      "'two words'",
      "Basic QUJDREVG",
      "Long,er)one",
      "Br0kerPass",
      "Hunter2x",
      Buffer.from("operator7:Tr0ub4dor&/3").toString("base64"),
    ]) {
      expect(withoutSecrets(`say ${text} to`), text).toMatch(/^say .*… ?.*to$/);
      expect(withoutSecrets(`say ${text} to`), text).not.toMatch(
        /Tr0ub|operator|two words|QUJD|Long|Br0ker|Hunter|b3Bl/,
      );
    }
  });

  it("are in no value of a log line, and the rest stays as it was", () => {
    const failure = Object.assign(new Error("no Br0kerPass"), { url: "rtsp://u:p@h/", code: 5 });
    const shown = valueWithoutSecrets({
      err: failure,
      list: ["Br0kerPass", 1],
      deep: { a: "two words" },
      n: 7,
    });
    const { err, ...rest } = shown as { err: Error & { url: string; code: number } };
    expect(err.message).toBe("no …");
    expect(err.stack).not.toContain("Br0ker");
    expect(err).toMatchObject({ name: "Error", url: "rtsp://…@h/", code: 5 });
    expect(rest).toEqual({ list: ["…", 1], deep: { a: "…" }, n: 7 });
    const plain = new TypeError("plain");
    expect(valueWithoutSecrets(plain)).toBe(plain);
  });

  it("are not found in other words", () => {
    rememberSecret("cat");
    rememberSecret("came");
    expect(withoutSecrets("the camera is located")).toBe("the camera is located");
  });

  it("are all that is secret in an address", () => {
    expect(secretsIn("rtsp://cam.lan/stream")).toEqual([]);
    expect(secretsIn("rtsp://admin:4711/s3cret@127.0.0.1:8554/s")).toEqual(
      expect.arrayContaining(["4711/s3cret", "s3cret", "4711", "admin:4711/s3cret"]),
    );
    expect(secretsIn("/media/film.mp4")).toEqual([]);
    expect(secretsIn("videotestsrc ! appsink")).toEqual([]);
  });
});

it("a value that may hold a secret is known by its looks", () => {
  for (const value of ["a@b", "rtsp://cam/live/key", "password=x"]) expect(mayBeSecret(value)).toBe(true);
  for (const value of ["libcamera", "mqtt://broker:1883", "yes"]) expect(mayBeSecret(value)).toBe(false);
});
