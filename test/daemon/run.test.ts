import { existsSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import {
  configFile,
  emotiond,
  killed,
  MEDIA,
  type RunningProgram,
  stillsConfig,
} from "../../scripts/test-support/daemon.js";
import { type Mosquitto, startMosquitto } from "../../scripts/test-support/mosquitto.js";
import { type Subscriber, subscribe } from "../../scripts/test-support/subscriber.js";
import {
  type EmotionEvent,
  eventSchema,
  healthSchema,
  type State,
  stateSchema,
} from "../../src/events/schema.js";
import { writeModelSlowInInt8 } from "../emotion/model-fixture.js";

let broker: Mosquitto;
let subscriber: Subscriber;
let running: RunningProgram | undefined;

beforeAll(async () => {
  broker = await startMosquitto();
});
afterAll(() => broker.stop());
afterEach(async () => {
  await killed(running);
  running = undefined;
  await subscriber.end();
});

async function start(config: object): Promise<RunningProgram> {
  subscriber = await subscribe(broker.url, "emotiond/test/#");
  running = emotiond(["run", "--config", configFile(config)]);
  return running;
}

function events(): EmotionEvent[] {
  return subscriber.on("/event").map(({ text }) => eventSchema.parse(JSON.parse(text)));
}

function count(type: EmotionEvent["type"]): number {
  return events().filter((event) => event.type === type).length;
}

/** Faces between `new` and `end` as a subscriber counts them. */
function live(): number {
  return count("new") - count("end");
}

/** Why faces ended; whatever is no `end` has no reason. */
function endReasons(): EmotionEvent["reason"][] {
  expect(events().every((event) => (event.reason !== undefined) === (event.type === "end"))).toBe(true);
  return events()
    .filter((event) => event.type === "end")
    .map((event) => event.reason);
}

const lastOf = (suffix: string): string | undefined => subscriber.on(suffix).at(-1)?.text;

describe("emotiond run", () => {
  it("publishes faces as the contract has it, and ends them at SIGTERM within five seconds", async () => {
    const { child, finished } = await start(stillsConfig(broker.url));
    await subscriber.until(() => live() > 0 && subscriber.on("/state").length > 1, 20_000);
    const asked = performance.now();
    child.kill("SIGTERM");
    const { code } = await finished;
    expect(performance.now() - asked).toBeLessThan(5_000);
    expect(code).toBe(0);
    await subscriber.until(() => lastOf("/availability") === "offline");
    expect(subscriber.on("/availability")[0]?.text).toBe("online");
    expect(live()).toBe(0);
    expect(endReasons()).toContain("stopped");
    expect(events().map((event) => event.seq)).toEqual(events().map((_, index) => index + 1));
    expect(new Set(events().map((event) => event.boot)).size).toBe(1);
    expect(subscriber.on("/event").every(({ packet }) => packet.qos === 1 && !packet.retain)).toBe(true);
    const states = subscriber.on("/state").map(({ text }): State => stateSchema.parse(JSON.parse(text)));
    expect(states.some((state) => state.faces > 0 && state.dominant !== null)).toBe(true);
    expect(states.at(-1)).toMatchObject({ faces: 0, dominant: null, tracks: [] });
    const health = subscriber.on("/health").map(({ text }) => healthSchema.parse(JSON.parse(text)));
    expect(health.at(-1)?.camera.status).toBe("running");

    const late = await subscribe(broker.url, "emotiond/test/#");
    await late.until((received) => received.length >= 4);
    expect(late.received.map(({ topic }) => topic.split("/").at(-1)).sort()).toEqual([
      "availability",
      "health",
      "paused",
      "state",
    ]);
    expect(late.received.every(({ packet }) => packet.retain)).toBe(true);
    await late.end();
  });

  it("is offline by its last will when it is killed", async () => {
    const { child, finished } = await start(stillsConfig(broker.url));
    await subscriber.until(() => count("new") > 0, 20_000);
    child.kill("SIGKILL");
    await finished;
    await subscriber.until(() => lastOf("/availability") === "offline");
    expect(live()).toBeGreaterThan(0);
  });

  it("obeys pause and resume, refuses snapshots and nonsense, and ignores retained commands", async () => {
    await subscribeRetainedPause();
    await start(stillsConfig(broker.url));
    const { client } = subscriber;
    await subscriber.until(() => live() > 0, 20_000);
    const answers = () => subscriber.on("/response").map(({ text }) => JSON.parse(text) as unknown);
    await client.publishAsync("emotiond/test/cmd/pause", "{}", { qos: 1 });
    await subscriber.until(() => answers().length === 1 && live() === 0);
    const paused = events().length;
    expect(endReasons()).toContain("paused");
    await client.publishAsync("emotiond/test/cmd/pause", "{ not json", { qos: 1 });
    await client.publishAsync("emotiond/test/cmd/explode", "", { qos: 1 });
    await client.publishAsync("emotiond/test/cmd/snapshot", "", { qos: 1 });
    await subscriber.until(() => answers().length === 4);
    expect(events().length).toBe(paused);
    expect(answers()).toEqual([
      { ok: true },
      { ok: false, error: expect.any(String) },
      { ok: false, error: expect.stringContaining("unknown command") },
      { ok: false, error: expect.stringContaining("privacy.snapshots") },
    ]);
    await client.publishAsync("emotiond/test/cmd/resume", "", { qos: 1 });
    await subscriber.until(() => live() > 0, 20_000);
    expect(subscriber.on("test/snapshot")).toEqual([]);
    await client.publishAsync("emotiond/test/cmd/pause", "", { qos: 1, retain: true });
  });

  it("ends a face in a hold-up longer than lostAfter, as gone, and begins a new one", async () => {
    const { child } = await start(
      stillsConfig(broker.url, { events: { lostAfter: 1, updateInterval: 3600 } }),
    );
    await subscriber.until(() => live() > 0, 20_000);
    const tracksOf = (type: EmotionEvent["type"]) =>
      events()
        .filter((event) => event.type === type)
        .map((event) => event.track);
    child.kill("SIGSTOP");
    // What had been sent before arrives.
    await new Promise((resolve) => setTimeout(resolve, 4_500));
    const before = tracksOf("new").filter((track) => !tracksOf("end").includes(track));
    const told = events().length;
    expect(before.length).toBeGreaterThan(0);
    child.kill("SIGCONT");
    await subscriber.until(() => before.every((track) => tracksOf("end").includes(track)), 3_000);
    await subscriber.until(
      () =>
        events()
          .slice(told)
          .some(({ type }) => type === "new"),
      20_000,
    );
    const ends = events().filter((event) => event.type === "end" && before.includes(event.track));
    expect(ends.map(({ reason }) => reason)).toEqual(before.map(() => "gone"));
    expect(new Set(tracksOf("new")).size).toBe(count("new"));
  });

  async function subscribeRetainedPause(): Promise<void> {
    const before = await subscribe(broker.url, "emotiond/nothing");
    await before.client.publishAsync("emotiond/test/cmd/pause", "", { qos: 1, retain: false });
    await before.client.publishAsync("emotiond/test/cmd/pause", "{}", { qos: 1, retain: true });
    await before.end();
  }

  it("sends a snapshot once its owner allows it", async () => {
    await start(stillsConfig(broker.url, { privacy: { snapshots: true, blurFaces: true } }));
    await subscriber.until(() => live() > 0, 20_000);
    await subscriber.client.publishAsync("emotiond/test/cmd/snapshot", "{}", { qos: 1 });
    await subscriber.until(
      () => subscriber.on("test/snapshot").length === 1 && subscriber.on("/response").length === 1,
    );
    expect(JSON.parse(lastOf("/response") ?? "")).toEqual({ ok: true });
    const jpeg = subscriber.on("test/snapshot")[0]?.packet.payload as Buffer;
    expect([...jpeg.subarray(0, 2)]).toEqual([0xff, 0xd8]);
    expect(subscriber.on("test/snapshot")[0]?.packet.retain).toBe(false);
  });

  it("lives on without a camera and says so", async () => {
    const { child, finished, says } = await start({
      ...stillsConfig(broker.url),
      source: { type: "video", uri: "/dev/video77" },
    });
    await says("/dev/video77");
    await subscriber.until(() => lastOf("/availability") === "online");
    child.kill("SIGINT");
    const { code } = await finished;
    expect(code).toBe(0);
    expect(count("new")).toBe(0);
  });

  it("lives on when the video is a text file, and names the file", async () => {
    const file = join(mkdtempSync(join(tmpdir(), "emotiond-")), "text.avi");
    writeFileSync(file, "this is no video\n".repeat(100));
    const { child, says, finished } = await start({
      ...stillsConfig(broker.url),
      source: { type: "video", uri: file },
    });
    await says("text.avi");
    expect(child.exitCode).toBeNull();
    child.kill("SIGTERM");
    expect((await finished).code).toBe(0);
  });

  it("reloads a configuration without losing a face, and keeps the old one when the new one is bad", async () => {
    const config = stillsConfig(broker.url, { events: { updateInterval: 3600, minDwell: 0.3 } });
    const { child, says } = await start(config);
    await subscriber.until(() => live() > 0, 20_000);
    const file = child.spawnargs.at(-1) ?? "";
    writeFileSync(file, "source: {type: nonsense}");
    child.kill("SIGHUP");
    await says("the old configuration goes on");
    await says("source.type");
    const ended = count("end");
    writeFileSync(file, JSON.stringify({ ...config, events: { updateInterval: 0.5, minDwell: 0.3 } }));
    child.kill("SIGHUP");
    await says("configuration reloaded");
    await subscriber.until(() => count("update") >= 2, 15_000);
    const living = new Set(
      events()
        .filter((event) => event.type === "new")
        .map((event) => event.track),
    );
    expect(
      events()
        .filter((event) => event.type === "update")
        .every((event) => living.has(event.track)),
    ).toBe(true);
    expect(count("end")).toBeLessThanOrEqual(ended + 4);
  });

  it("reloads privacy as well: masks hide everybody, and no more snapshots leave", async () => {
    const config = stillsConfig(broker.url, { privacy: { snapshots: true } });
    const { child, says } = await start(config);
    await subscriber.until(() => live() > 0, 20_000);
    const file = child.spawnargs.at(-1) ?? "";
    const all = [
      [
        [0, 0],
        [1, 0],
        [1, 1],
        [0, 1],
      ],
    ];
    writeFileSync(file, JSON.stringify({ ...config, privacy: { masks: all, snapshots: false } }));
    child.kill("SIGHUP");
    await says("configuration reloaded");
    await subscriber.until(() => live() === 0, 20_000);
    await subscriber.client.publishAsync("emotiond/test/cmd/snapshot", "", { qos: 1 });
    await subscriber.until(() => lastOf("/response")?.includes("privacy.snapshots") === true);
    expect(subscriber.on("emotiond/test/snapshot")).toHaveLength(0);
  });

  it("reloads what Home Assistant shows: a picture and its button, as privacy.snapshots says", async () => {
    const homeAssistant = await subscribe(broker.url, "homeassistant/device/emotiond-test/config");
    const shown = () => {
      const last = homeAssistant.received.at(-1)?.text ?? "{}";
      return Object.keys(
        (JSON.parse(last) as { components?: { snapshot?: object } }).components?.snapshot ?? {},
      );
    };
    try {
      const config = stillsConfig(broker.url);
      const { child, says } = await start(config);
      // What an earlier daemon retained says the same.
      await subscriber.until(() => live() > 0, 20_000);
      await homeAssistant.until(() => shown().join() === "platform", 20_000);
      const file = child.spawnargs.at(-1) ?? "";
      writeFileSync(file, JSON.stringify({ ...config, privacy: { snapshots: true } }));
      child.kill("SIGHUP");
      await homeAssistant.until(() => shown().includes("image_topic"), 20_000);
      writeFileSync(file, JSON.stringify(config));
      child.kill("SIGHUP");
      await homeAssistant.until(() => shown().join() === "platform", 20_000);
      await says("configuration reloaded");
    } finally {
      await homeAssistant.end();
    }
  });

  it("says once at the start that a password goes over the network unencrypted", async () => {
    const passwordFile = join(mkdtempSync(join(tmpdir(), "emotiond-password-")), "password");
    writeFileSync(passwordFile, "hunter2");
    const mqtt = { url: "mqtt://192.0.2.99:1", username: "u", passwordFile };
    const { child, says, stderr, finished } = await start(stillsConfig("", { mqtt }));
    await says("no connection to the broker", 30_000);
    child.kill("SIGTERM");
    await finished;
    expect(stderr().match(/the password goes to 192\.0\.2\.99:1 unencrypted/g)).toHaveLength(1);
    expect(stderr()).not.toContain("hunter2");
  });

  it("goes over to a faster engine once it is known, and loses no face by it", async () => {
    const model = writeModelSlowInInt8();
    const { says, finished, child } = await start(
      stillsConfig(broker.url, {
        emotion: { engine: "auto", model, minConfidence: 0 },
        events: { updateInterval: 0.2 },
      }),
    );
    await says('"engine":"onnx-fp32"', 40_000);
    const told = events();
    expect(told.length).toBeGreaterThan(0);
    await subscriber.until(() => events().length > told.length + 3);
    child.kill("SIGTERM");
    expect((await finished).code).toBe(0);
    await subscriber.until(() => lastOf("/availability") === "offline");
    expect(healthSchema.parse(JSON.parse(subscriber.on("/health")[0]?.text ?? "")).model.engine).toBe(
      "onnx-int8",
    );
    expect(count("new")).toBe(count("end"));
    expect(events().map((event) => event.seq)).toEqual(events().map((_, index) => index + 1));
  });

  it.skipIf(!existsSync(MEDIA))(
    "follows three people as three or four tracks, and ends with the video",
    async () => {
      const { finished } = await start({
        ...stillsConfig(broker.url),
        source: {
          type: "video",
          uri: join(MEDIA, "face-demographics-walking-and-pause.avi"),
          realtime: false,
        },
      });
      const { code } = await finished;
      expect(code).toBe(0);
      await subscriber.until(() => lastOf("/availability") === "offline");
      expect(count("new")).toBe(count("end"));
      expect(count("new")).toBeGreaterThanOrEqual(3);
      expect(count("new")).toBeLessThanOrEqual(4);
      expect(endReasons().every((reason) => reason === "gone" || reason === "source")).toBe(true);
    },
  );
});
