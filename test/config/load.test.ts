import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { configKeys } from "../../src/config/environment.js";
import { defaultConfig, loadConfig, parseConfig } from "../../src/config/load.js";
import { ConfigError, formatProblem } from "../../src/config/problem.js";
import { defaultDevice } from "../../src/config/schema.js";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "emotiond-config-"));
});
afterAll(() => rm(folder, { recursive: true }));

function problemsIn(text: string, environment: NodeJS.ProcessEnv = {}): string[] {
  try {
    parseConfig(text, "emotiond.yaml", environment);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map(formatProblem);
    throw error;
  }
  return [];
}

describe("a configuration", () => {
  it("of nothing is the defaults of the contract", () => {
    const config = defaultConfig();
    expect(config.source).toEqual({
      type: "libcamera",
      uri: "/dev/video0",
      width: 640,
      height: 480,
      framerate: 30,
      loop: false,
      realtime: true,
    });
    expect(config.detector).toMatchObject({
      cascade: "frontalface_default",
      minFaceSize: 0.1,
      scaleFactor: 1.2,
      minNeighbors: 4,
    });
    expect(config.events).toEqual({ updateInterval: 5, minDwell: 0.5, lostAfter: 1 });
    expect(config.mqtt.url).toBe("mqtt://localhost:1883");
    expect(config.mqtt.outbox).toMatchObject({ maxEvents: 100_000, maxAge: 86_400 });
    expect(config.http.listen).toBe("127.0.0.1:9464");
    expect(config.device).toBe(defaultDevice());
  });

  it("refuses at once what a start would refuse again and again", () => {
    expect(
      problemsIn(
        "detector: {cascade: nonsense}\nsource: {type: video, uri: 'rtsp://cam:99999/x'}\n" +
          "http: {listen: '0.0.0.0:99999'}\nmqtt: {passwordFile: /run/password}",
      ).map((problem) => problem.split(":")[0]),
    ).toEqual(["source.uri", "mqtt.username", "detector.cascade", "http.listen", "http.tokenFile"]);
    expect(problemsIn("detector: {cascade: frontalface_alt}\nhttp: {listen: '[::1]:1'}")).toEqual([]);
  });

  it("shows nothing in its problems that may hold a password", () => {
    const texts = [
      "mqtt: {url: 'mqtt://bob:s3cret/x@broker:1883'}",
      "mqtt: {url: 'bob:s3cret@broker'}",
      "mqtt: {url: 'mqtt://bob:p@s3cret@broker', password: s3cret}",
      "mqtt: [{url: 'mqtt://broker', password: s3cret}]",
      "source: {type: 'rtsp://me:s3cret@camera'}",
    ];
    for (const text of texts) {
      const problems = problemsIn(text);
      expect(problems).not.toEqual([]);
      expect(problems.join("\n")).not.toContain("s3cret");
    }
  });

  it("does not let the environment hide a section that is none", () => {
    expect(problemsIn("privacy: [[[0, 0], [1, 0], [1, 1]]]", { EMOTIOND_PRIVACY_SNAPSHOTS: "true" })).toEqual(
      ["privacy: must be a section with keys, not a list"],
    );
    expect(problemsIn("mqtt: 'mqtts://broker:8883'", { EMOTIOND_MQTT_USERNAME: "bob" })[0]).toMatch(
      /^mqtt: must be/,
    );
    expect(problemsIn("- device: x", { EMOTIOND_DEVICE: "k" })[0]).toMatch(/must be a section with keys/);
    expect(parseConfig("privacy:\n", "x", { EMOTIOND_PRIVACY_SNAPSHOTS: "true" }).privacy.snapshots).toBe(
      true,
    );
  });

  it("names every problem with its path and what would be right", () => {
    expect(
      problemsIn(
        "mqtt: {url: 'http://x', baseTopic: 'a/+'}\nfoo: 1\nsource: {width: a, type: usb, framerate: -1}",
      ),
    ).toEqual([
      'source.type: must be one of libcamera, video, stills, not "usb"',
      'source.width: must be a number, not "a"',
      "source.framerate: must be at least 0.1, not -1",
      'mqtt.url: must be mqtt://, mqtts://, ws:// or wss:// with a host (user name and password go to mqtt.username and mqtt.passwordFile), not "http://x"',
      'mqtt.baseTopic: must be topic levels joined by `/`, without `+`, `#`, a leading `$` or empty levels, not "a/+"',
      "foo: unknown key; remove it, or see `emotiond schema config` for the keys there are",
    ]);
  });

  it.each(["a/#", "+", "$SYS/x", "", "/a", "a/", "a//b"])("refuses the base topic %j", (baseTopic) => {
    expect(problemsIn(JSON.stringify({ mqtt: { baseTopic } }))).toHaveLength(1);
  });

  it.each(["kitchen/sink", "a+b", "", "x".repeat(65), "küche"])("refuses the device name %j", (device) => {
    expect(problemsIn(JSON.stringify({ device }))[0]).toMatch(/^device: must be 1 to 64 of/);
  });

  it("never repeats a password that stands in a URL", () => {
    const [problem] = problemsIn("mqtt: {url: 'mqtt://me:hunter2@broker'}");
    expect(problem).toMatch(/^mqtt\.url: /);
    expect(problem).not.toContain("hunter2");
  });

  it("refuses half a client certificate, and TLS files without TLS", () => {
    expect(problemsIn("mqtt: {url: 'mqtts://b', cert: c.pem}")[0]).toMatch(/^mqtt\.key: must be set too/);
    expect(problemsIn("mqtt: {ca: ca.pem}")[0]).toMatch(/^mqtt\.url: must be mqtts/);
  });

  it("takes every key from the environment, over the file", () => {
    const config = parseConfig("device: kitchen\nsource: {width: 320}", "f", {
      EMOTIOND_MQTT_URL: "mqtts://broker:8883",
      EMOTIOND_SOURCE_WIDTH: "1280",
      EMOTIOND_MQTT_HOME_ASSISTANT_ENABLED: "false",
      EMOTIOND_MQTT_OUTBOX_MAXEVENTS: "7",
      EMOTIOND_PRIVACY_MASKS: "[[[0,0],[1,0],[1,1]]]",
      EMOTIOND_HTTP_LISTEN: "",
      PATH: "/bin",
    });
    expect(config.device).toBe("kitchen");
    expect(config.mqtt.url).toBe("mqtts://broker:8883");
    expect(config.source.width).toBe(1280);
    expect(config.mqtt.homeAssistant.enabled).toBe(false);
    expect(config.mqtt.outbox.maxEvents).toBe(7);
    expect(config.privacy.masks).toEqual([
      [
        [0, 0],
        [1, 0],
        [1, 1],
      ],
    ]);
    expect(config.http.listen).toBe("127.0.0.1:9464");
  });

  it("has an environment name for each key, and no two alike", () => {
    const names = configKeys().map((key) => key.environment.replaceAll("_", ""));
    expect(new Set(names).size).toBe(names.length);
    expect(names.length).toBeGreaterThan(30);
  });

  it("says which variable of the environment is no key, or has the wrong type", () => {
    expect(problemsIn("", { EMOTIOND_NONSENSE: "1", EMOTIOND_SOURCE_LOOP: "yes" })).toEqual([
      "EMOTIOND_NONSENSE: no key of the configuration has this name; remove the variable",
      'source.loop: must be true or false, not "yes"',
    ]);
  });

  it("refuses YAML that is broken, doubled or bent on growing", () => {
    expect(problemsIn("source: [")[0]).toMatch(/^emotiond\.yaml: is not valid YAML/);
    expect(problemsIn("device: a\ndevice: b")[0]).toMatch(/^emotiond\.yaml: is not valid YAML.*unique/);
    expect(problemsIn("a: &a [x]\nb: [*a, *a]")[0]).toMatch(/^emotiond\.yaml: is not usable YAML/);
    expect(problemsIn("- just\n- a list")[0]).toMatch(/must be a section with keys/);
    expect(problemsIn("just text")[0]).toMatch(/must be a section with keys/);
  });

  it("says why a file cannot be read", async () => {
    await expect(loadConfig(join(folder, "none.yaml"), {})).rejects.toThrow(
      /none\.yaml: cannot be read: there is no such file/,
    );
    await expect(loadConfig(folder, {})).rejects.toThrow(/it is a directory/);
    const binary = join(folder, "binary.yaml");
    await writeFile(binary, Buffer.from([0xff, 0xfe, 0x00, 0xd8]));
    await expect(loadConfig(binary, {})).rejects.toThrow(/not UTF-8 text/);
    const huge = join(folder, "huge.yaml");
    await writeFile(huge, "#".repeat(2 * 1024 * 1024));
    await expect(loadConfig(huge, {})).rejects.toThrow(/at most 1 MiB/);
  });

  it.skipIf(process.getuid?.() === 0)("says who must be able to read it", async () => {
    const secret = join(folder, "secret.yaml");
    await writeFile(secret, "");
    await chmod(secret, 0o000);
    await expect(loadConfig(secret, {})).rejects.toThrow(/permission denied/);
  });

  it("survives any text: a configuration or a ConfigError, nothing else", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json(), fc.string({ unit: "binary" })), (text) => {
        expect(Array.isArray(problemsIn(text))).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });
});
