import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { type Mosquitto, startMosquitto } from "../../scripts/test-support/mosquitto.js";
import { subscribe, waitFor } from "../../scripts/test-support/subscriber.js";
import { EMOTION_LABELS } from "../../src/base/labels.js";
import { type DiscoverySubject, discoveryPayload, discoveryTopic } from "../../src/mqtt/home-assistant.js";
import { topicsOf } from "../../src/mqtt/topics.js";
import { falseBroker } from "./support/false-broker.js";
import abbreviations from "./support/home-assistant-abbreviations.json" with { type: "json" };
import { DISCOVERY_TOPIC, deviceDiscoverySchema } from "./support/home-assistant-schema.js";
import { publisherOf, sampleEvent, sampleHealth, sampleState } from "./support/samples.js";

const subject = (snapshots = false): DiscoverySubject => ({
  prefix: "homeassistant",
  baseTopic: "emotiond",
  device: "kitchen",
  topics: topicsOf("emotiond", "kitchen"),
  version: "1.2.3",
  snapshots,
});

describe("discovery payload", () => {
  it("is what Home Assistant takes", () => {
    for (const changes of [{}, { snapshots: true }, { commands: false }, { device: "x_take" }]) {
      const payload = JSON.parse(JSON.stringify(discoveryPayload({ ...subject(), ...changes })));
      expect(deviceDiscoverySchema.parse(payload)).toEqual(payload);
      const ids = Object.values(deviceDiscoverySchema.parse(payload).components).flatMap((one) =>
        "unique_id" in one ? [one.unique_id] : [],
      );
      expect(new Set(ids).size).toBe(ids.length);
    }
    expect(discoveryTopic(subject())).toMatch(DISCOVERY_TOPIC);
    expect(discoveryTopic({ ...subject(), baseTopic: "home/my stuff" })).toMatch(DISCOVERY_TOPIC);
  });

  it("calls every option by the full name that Home Assistant's own abbreviations stand for", () => {
    const { device, origin, components, ...rest } = discoveryPayload(subject(true));
    const parts: [object, Record<string, string>][] = [
      [device, abbreviations.device],
      [origin, abbreviations.origin],
      [{ ...rest, device, origin, components }, abbreviations.component],
      ...Object.values(components).map((one): [object, Record<string, string>] => [
        one,
        abbreviations.component,
      ]),
    ];
    for (const [part, table] of parts) {
      const names = new Set([...Object.values(table), "qos"]);
      for (const key of Object.keys(part)) {
        expect(names).toContain(key);
        // A name that is also short for another would be taken for that.
        expect(table[key] ?? key).toBe(key);
      }
    }
  });

  it("has an image only where the owner lets pictures out", () => {
    const { snapshot, take_snapshot: button } = discoveryPayload(subject(true)).components;
    expect([snapshot, button]).toMatchObject([
      { image_topic: "emotiond/kitchen/snapshot" },
      { command_topic: "emotiond/kitchen/cmd/snapshot" },
    ]);
  });

  it("takes the image away again, which Home Assistant would keep if it were only left out", () => {
    const { snapshot, take_snapshot: button } = discoveryPayload(subject(false)).components;
    // By the documentation a component of nothing but its platform is removed.
    expect([snapshot, button]).toEqual([{ platform: "image" }, { platform: "button" }]);
  });

  it("offers nothing that takes a command where none is taken, and takes earlier offers back", () => {
    const payload = discoveryPayload({ ...subject(true), commands: false });
    expect(payload.components).toMatchObject({ emotion: {}, faces: {} });
    const { paused, snapshot, take_snapshot: button } = payload.components;
    expect([paused, snapshot, button]).toEqual([
      { platform: "switch" },
      { platform: "image" },
      { platform: "button" },
    ]);
    expect(JSON.stringify(payload)).not.toContain("/cmd/");
  });

  it("gives no two entities of any two devices one unique identifier", () => {
    const baseTopics = ["emotiond", "emotiond/x", "emotiond-x", "emotiond_x", "客厅", "卧室"];
    const devices = ["hall", "x-hall", "hall_take", "hall_take_take", "hall_camera", "hall_face", "take"];
    const ids = baseTopics.flatMap((baseTopic) =>
      devices.flatMap((device) =>
        Object.values(discoveryPayload({ ...subject(true), baseTopic, device }).components).flatMap((one) =>
          "unique_id" in one ? [one.unique_id] : [],
        ),
      ),
    );
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids).toContain("emotiond-hall_take_snapshot");
    expect(ids).toContain("emotiond-hall_take_emotion");
  });

  it("knows every label as an option, and only topics of the device", () => {
    const { components } = discoveryPayload(subject(true));
    for (const label of [...EMOTION_LABELS, "uncertain"]) {
      expect(components.emotion).toMatchObject({ options: expect.arrayContaining([label]) });
    }
    for (const component of Object.values(components)) {
      for (const [key, value] of Object.entries(component)) {
        if (key.endsWith("topic")) expect(value).toMatch(/^emotiond\/kitchen\//);
      }
    }
  });
});

/** A Python in which `homeassistant` is installed: its own code then judges the payload. */
const python = process.env.HOME_ASSISTANT_PYTHON;

describe("Home Assistant itself", () => {
  interface Judgement {
    readonly version: string;
    readonly passedOver: Record<string, string[]>;
    readonly takenForOthers: string[];
    readonly shown: Record<string, string>;
  }
  const judge = (discovery: object, messages: object = {}) =>
    spawnSync(python ?? "", [join(import.meta.dirname, "support/home-assistant.py")], {
      input: JSON.stringify({ discovery, messages }),
      encoding: "utf8",
    });
  const understood = (discovery: object, messages: object = {}): Judgement => {
    const { status, stdout, stderr } = judge(discovery, messages);
    expect(status, stderr).toBe(0);
    return JSON.parse(stdout) as Judgement;
  };
  const missing = "it takes HOME_ASSISTANT_PYTHON, a Python in which homeassistant is installed";
  const { topics } = subject();
  const face = { track: "T", label: "happy" as const, confidence: 0.914, box: sampleEvent(1).box };

  it("takes every option, and shows what the messages say", ({ skip }) => {
    skip(python === undefined, missing);
    const replayed = { ...sampleEvent(1), replayed: true };
    const { passedOver, takenForOthers, shown } = understood(discoveryPayload(subject(true)), {
      [topics.state]: { ...sampleState(1), tracks: [face] },
      [topics.health]: sampleHealth(),
      [topics.event]: sampleEvent(1),
    });
    expect(Object.values(passedOver).flat()).toEqual([]);
    expect(takenForOthers).toEqual([]);
    const { face_event: event = "", ...rest } = shown;
    expect(rest).toEqual({
      emotion: "happy",
      confidence: "91.4",
      faces: "1",
      fps: "30",
      temperature: "50",
      camera_status: "running",
      problem: "OFF",
    });
    expect(JSON.parse(event)).toMatchObject({ event_type: "update", label: "happy" });
    expect(understood(discoveryPayload(subject()), { [topics.event]: replayed }).shown.face_event).toBe("");
  });

  it("would say so if something were wrong", ({ skip }) => {
    skip(python === undefined, missing);
    const payload = discoveryPayload(subject());
    const { faces, ...components } = payload.components;
    const misspelt = { ...payload, components: { ...components, faces: { ...faces, state_klass: "x" } } };
    expect(understood(misspelt).passedOver.faces).toEqual(["state_klass"]);
    const { origin: _, ...withoutOrigin } = payload;
    expect(judge(withoutOrigin).status).not.toBe(0);
  });
});

describe("Home Assistant at a broker", () => {
  const cleanups: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  });
  async function setUp(): Promise<{ broker: Mosquitto; app: Awaited<ReturnType<typeof subscribe>> }> {
    const broker = await startMosquitto();
    cleanups.push(() => broker.stop());
    const app = await subscribe(broker.url, "#");
    cleanups.push(() => app.end());
    return { broker, app };
  }
  function publisher(url: string, settings: object = {}) {
    const { publisher: sender } = publisherOf({ url, ...settings });
    cleanups.push(() => sender.stop(500));
    sender.start();
    return sender;
  }

  it("is told of the device once it connects, retained, and again at its birth message", async () => {
    const { broker, app } = await setUp();
    const sender = publisher(broker.url);
    sender.state(sampleState(1));
    const configs = () => app.on("/config");
    await app.until(() => configs().length > 0 && app.on("/state").length > 0);
    const late = await subscribe(broker.url, "homeassistant/#");
    await late.until((received) => received.length > 0);
    expect(late.received[0]?.packet.retain).toBe(true);
    deviceDiscoverySchema.parse(JSON.parse(late.received[0]?.text ?? ""));
    await late.end();
    await app.client.publishAsync("homeassistant/status", "offline");
    await app.client.publishAsync("homeassistant/status", "online");
    await app.until(() => configs().length > 1 && app.on("/state").length > 1);
    expect(app.on("/state")).toHaveLength(2);
  });

  it("pauses and resumes with one switch, whose state is retained", async () => {
    const { broker, app } = await setUp();
    publisher(broker.url);
    await app.until(() => app.on("/paused").some((message) => message.text === "false"));
    const press = setInterval(() => app.client.publish("emotiond/kitchen/cmd/paused", "true"), 100);
    await app.until(() => app.on("/kitchen/paused").some((message) => message.text === "true"));
    clearInterval(press);
    await new Promise((resolve) => setTimeout(resolve, 200));
    await app.client.publishAsync("emotiond/kitchen/cmd/paused", "false");
    await app.until(() => app.on("/kitchen/paused").at(-1)?.text === "false");
  });

  it("forgets the device when the owner turns discovery off", async () => {
    const { broker, app } = await setUp();
    const first = publisher(broker.url);
    await app.until(() => app.on("/config").length > 0);
    await first.stop(1000);
    publisher(broker.url, { homeAssistant: { enabled: false } });
    await app.until(() => app.on("/config").at(-1)?.text === "");
    const late = await subscribe(broker.url, "homeassistant/#");
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(late.received).toEqual([]);
    await late.end();
    await waitFor(() => first.stats().connected === false);
  });

  it("hears at once of snapshots that a reload allows, or forbids again", async () => {
    const { broker, app } = await setUp();
    const sender = publisher(broker.url);
    const told = () =>
      app.on("/config").map(({ text }) => deviceDiscoverySchema.parse(JSON.parse(text)).components);
    await app.until(() => told().length > 0);
    const removed = { snapshot: { platform: "image" }, take_snapshot: { platform: "button" } };
    expect(told()[0]).toMatchObject(removed);
    sender.allowSnapshots(true);
    await app.until(() => told().length > 1);
    expect(told()[1]).toMatchObject({
      snapshot: { image_topic: "emotiond/kitchen/snapshot" },
      take_snapshot: { command_topic: "emotiond/kitchen/cmd/snapshot" },
    });
    // What is already known is not told again.
    sender.allowSnapshots(true);
    sender.allowSnapshots(false);
    await app.until(() => told().length > 2);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(told()).toHaveLength(3);
    expect(told()[2]?.snapshot).toEqual(removed.snapshot);
    expect(told()[2]?.take_snapshot).toEqual(removed.take_snapshot);
  });

  it("hears at the next connection of what a reload changed while the broker was away", async () => {
    const { broker, app } = await setUp();
    const { publisher: sender } = publisherOf({ url: broker.url });
    cleanups.push(() => sender.stop(500));
    sender.allowSnapshots(true);
    sender.start();
    await app.until(() => app.on("/config").length > 0);
    expect(app.on("/config")[0]?.text).toContain("emotiond/kitchen/cmd/snapshot");
  });
});

describe("without commands", () => {
  it("nothing is subscribed to but Home Assistant's birth message, and none is obeyed", async () => {
    const subscribed: string[] = [];
    const ran: string[] = [];
    const deaf = await falseBroker((packet, reply) => {
      if (packet.cmd === "connect")
        reply({ cmd: "connack", returnCode: 0, reasonCode: 0, sessionPresent: false });
      if (packet.cmd === "publish" && packet.qos === 1)
        reply({ cmd: "puback", messageId: packet.messageId ?? 0 });
      if (packet.cmd !== "subscribe") return;
      subscribed.push(...packet.subscriptions.map(({ topic }) => topic));
      reply({ cmd: "suback", messageId: packet.messageId ?? 0, granted: [1] });
      // One that comes all the same.
      reply({
        cmd: "publish",
        topic: "emotiond/kitchen/cmd/pause",
        payload: "{}",
        qos: 0,
        dup: false,
        retain: false,
      });
    });
    const onCommand = (command: { name: string }) => {
      ran.push(command.name);
      return Promise.resolve({ ok: true as const });
    };
    for (const enabled of [true, false]) {
      const settings = { url: deaf.url, commands: false, homeAssistant: { enabled } };
      const { publisher } = publisherOf(settings, { onCommand });
      publisher.start();
      await waitFor(() => publisher.stats().connected);
      await new Promise((resolve) => setTimeout(resolve, 300));
      expect(subscribed.splice(0)).toEqual(enabled ? ["homeassistant/status"] : []);
      await publisher.stop(500);
    }
    expect(ran).toEqual([]);
    await deaf.close();
  });
});
