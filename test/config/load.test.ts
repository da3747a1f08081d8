import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { configKeys, environmentWarnings } from "../../src/config/environment.js";
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
      "source: {type: 'rtsp://camera/user=me_password=s3cret'}",
      "source: {type: 'http://camera/live/s3cret'}",
      "display: {sink: [rtmpsink location=rtmp://h/live/s3cret]}",
      "log: {level: 'password=s3cret'}",
      "'rtsp://me:s3cret@camera': x",
      "source: {uri: 'rtsp://me:s3cret@camera', 's3cret': x}",
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
    expect(problemsIn("", { EMOTIOND_MQTT_NONSENSE: "1", EMOTIOND_SOURCE_LOOP: "yes" })).toEqual([
      "EMOTIOND_MQTT_NONSENSE: no key of the section mqtt has this name; remove the variable, or see `emotiond schema config`",
      'source.loop: must be true or false, not "yes"',
    ]);
  });

  it.each([
    ["EMOTIOND_MQT_URL", "EMOTIOND_MQTT_URL is mqtt.url"],
    ["EMOTIOND_DEVCIE", "EMOTIOND_DEVICE is device"],
    ["EMOTIOND_MQTT_PASSWORD", "EMOTIOND_MQTT_PASSWORD_FILE is mqtt.passwordFile"],
    ["EMOTIOND_SOURCES_URI", "EMOTIOND_SOURCE_URI is source.uri"],
    ["EMOTIOND_PRIVACY_BLUR", "EMOTIOND_PRIVACY_BLUR_FACES is privacy.blurFaces"],
    ["EMOTIOND_MQTT_PORT", "no key of the section mqtt"],
    ["EMOTIOND_LOG", "no key of the section log"],
  ])("refuses the variable %s, which was meant to be a key: %s", (name, cure) => {
    const [problem, ...others] = problemsIn("", { [name]: "s3cret" });
    expect(problem).toMatch(new RegExp(`^${name}: no key`));
    expect(problem).toContain(cure);
    expect(problem).not.toContain("s3cret");
    expect(others).toEqual([]);
  });

  it("only warns of variables that others set: Kubernetes and Docker for each service", () => {
    const theirs = {
      EMOTIOND_PORT: "tcp://10.0.0.7:9464",
      EMOTIOND_SERVICE_HOST: "10.0.0.7",
      EMOTIOND_SERVICE_PORT: "9464",
      EMOTIOND_SERVICE_PORT_HTTP: "9464",
      EMOTIOND_PORT_1883_TCP: "tcp://10.0.0.7:1883",
      EMOTIOND_PORT_1883_TCP_ADDR: "10.0.0.7",
      EMOTIOND_PORT_1883_TCP_PORT: "1883",
      EMOTIOND_PORT_1883_TCP_PROTO: "tcp",
      EMOTIOND_PORT_53_UDP: "udp://10.0.0.7:53",
      // A service called emotiond-mqtt.
      EMOTIOND_MQTT_PORT: "tcp://10.0.0.7:1883",
      EMOTIOND_MQTT_SERVICE_HOST: "10.0.0.7",
      EMOTIOND_MQTT_SERVICE_PORT_MQTT: "1883",
      // docker run --link.
      EMOTIOND_NAME: "/app/emotiond",
      EMOTIOND_MQTT_NAME: "/app/emotiond-mqtt",
      EMOTIOND_ENV_NODE_VERSION: "20",
      EMOTIOND_NONSENSE: "s3cret",
    };
    expect(problemsIn("", theirs)).toEqual([]);
    const warnings = environmentWarnings({ ...theirs, EMOTIOND_DEVICE: "kitchen", PATH: "/bin" });
    expect(warnings.map((warning) => warning.split(":")[0])).toEqual(Object.keys(theirs));
    expect(warnings.join("\n")).not.toMatch(/10\.0\.0\.7|s3cret/);
  });

  it("refuses YAML that is broken, doubled or bent on growing", () => {
    expect(problemsIn("source: [")[0]).toMatch(/^emotiond\.yaml: is not valid YAML/);
    expect(problemsIn("device: a\ndevice: b")[0]).toMatch(/^emotiond\.yaml: is not valid YAML.*unique/);
    expect(problemsIn("a: &a [x]\nb: [*a, *a]")[0]).toMatch(/^emotiond\.yaml: is not usable YAML/);
    expect(problemsIn("- just\n- a list")[0]).toMatch(/must be a section with keys/);
    expect(problemsIn("just text")[0]).toMatch(/must be a section with keys/);
  });

  it.each([
    [
      "mqtt: {username: !secret mqtt_user}",
      "environment variable where it is a secret; a value that begins with it must stand in quotes (line 1, column 18)",
    ],
    ["mqtt: {username: !s3cret x}", "a tag (!…) means nothing here"],
    ["source:\n  uri: !include s3cret.yaml", "(line 2, column 8)"],
    ["device: !!binary aGk=", "a tag"],
    ["privacy: !!set {x}", "a tag"],
    ["device: !<tag:s3cret,2000:x> y", "a tag (!…)"],
    ["%TAG ! tag:x,2000:\n---\ndevice: !str y", "a tag"],
    ["device: kitchen\n---\nprivacy: {blurFaces: true}", "a single YAML document"],
    ["device: kitchen\n...\nprivacy: {blurFaces: true}", "before the second (line 3, column 1)"],
    ["---\n---\ndevice: a\n---\nlog: {level: debug}", "a single YAML document"],
    ["mqtt: &m {url: 'mqtt://b'}", "an anchor (&) is not taken"],
    ["mqtt: {username: &s3cret}", "must stand in quotes"],
    ["mqtt: {username: *s3cret}", "an alias (*) is not taken"],
    ["log: &l {level: info}\nhttp: *l", "is not taken"],
    ["mqtt:\n  <<: {url: 'mqtt://b'}", "a merge key (<<) is not taken: write the keys out"],
    ["%YAML 1.1\n---\nsource: {loop: yes}", "asks for version 1.1"],
    ["%YAML 1.3\n---\ndevice: a", "take it out"],
    ["%S3CRET x\n---\ndevice: a", "a directive (%)"],
    ["source:\n\turi: /dev/video0", "not with tabs (line 2, column 1)"],
    ["device: a\ndevice: b", "must be unique (line 2, column 1)"],
    ["mqtt: {url: 'mqtt://a', url: 'mqtt://b'}", "must be unique"],
    ["? [a]\n: b", "a key must be a word"],
    ["mqtt: {username: @s3cret}", "reserved character"],
    ['mqtt: {username: "s3cret}', "is not valid YAML"],
  ])("refuses YAML that would be read as something else: %j", (text, cure) => {
    const problems = problemsIn(text);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(/^emotiond\.yaml: /);
    expect(problems[0]).toContain(cure);
    expect(problems[0]).not.toMatch(/s3cret/i);
  });

  it("takes a section without keys for the defaults, and only a section", () => {
    const environment = { EMOTIOND_DEVICE: "kitchen" };
    for (const text of [
      "mqtt:\n#  url: mqtt://x\n",
      "mqtt:\n  outbox:\n    # path: x\n  homeAssistant: ~\nsource: null\nprivacy: {}",
      "---\nmqtt:\n---\n",
      "# nothing\n---\n# nothing either\n",
    ])
      expect(parseConfig(text, "f", environment), text).toEqual(defaultConfig(environment));
    expect(problemsIn("device:")).toEqual(["device: must be text, not null"]);
    expect(problemsIn("mqtt: {username: }")).toEqual(["mqtt.username: must be text, not null"]);
    expect(problemsIn("nonsense:")[0]).toMatch(/^nonsense: unknown key/);
  });

  it("is read with Windows' line ends and byte order mark", async () => {
    const file = join(folder, "windows.yaml");
    await writeFile(file, "\uFEFFdevice: kitchen\r\nmqtt:\r\n  baseTopic: home\r\n");
    const config = await loadConfig(file, {});
    expect([config.device, config.mqtt.baseTopic]).toEqual(["kitchen", "home"]);
    for (const [name, bytes] of [
      ["le", Buffer.from("\uFEFFdevice: kitchen", "utf16le")],
      ["be", Buffer.from("\uFEFFdevice: kitchen", "utf16le").swap16()],
      ["plain", Buffer.from("device: kitchen", "utf16le")],
    ] as const) {
      await writeFile(file, bytes);
      await expect(loadConfig(file, {}), name).rejects.toThrow(/not UTF-8 text but UTF-16; save it as UTF-8/);
    }
    await writeFile(file, Buffer.from("device: k\xfcche", "latin1"));
    await expect(loadConfig(file, {})).rejects.toThrow(/not UTF-8 text/);
  });

  it.each([
    ["rtsp://admin:4711/s3cret@127.0.0.1:8554/s", "write / as %2F"],
    ["rtsp://admin:s3#cret@cam/s", "write # as %23"],
    ["rtsp://admin:s3?cret@cam/s", "write ? as %3F"],
    ["rtsp://admin:s3@cret@cam/s", "write @ as %40"],
    ["file://clip.mp4", "names a machine called clip.mp4"],
    ["file:///tmp/a%2Fb.mp4", "a / cannot be part of one"],
    ["file:///tmp/caf%E9.mp4", "must be UTF-8"],
    ["file://", "must name a file"],
    ["rtsp:/admin:s3cret@cam/s", "must have // after rtsp:"],
    ["http://", "must be an address"],
    ["rtsp:///s", "must be an address"],
  ])("refuses the video %s, with the cure", (uri, cure) => {
    const [problem, ...others] = problemsIn(JSON.stringify({ source: { type: "video", uri } }));
    expect(problem).toMatch(/^source\.uri: must /);
    expect(problem).toContain(cure);
    expect(problem).not.toMatch(/s3|cret|admin|4711/);
    expect(others).toEqual([]);
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
