import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { EMOTION_LABELS } from "../../src/emotion/labels.js";
import { type DiscoverySubject, discoveryPayload, discoveryTopic } from "../../src/mqtt/home-assistant.js";
import { topicsOf } from "../../src/mqtt/topics.js";
import abbreviations from "./support/home-assistant-abbreviations.json" with { type: "json" };
import { DISCOVERY_TOPIC, deviceDiscoverySchema } from "./support/home-assistant-schema.js";
import { type Mosquitto, startMosquitto } from "./support/mosquitto.js";
import { publisherOf, sampleEvent, sampleHealth, sampleState } from "./support/samples.js";
import { subscribe, waitFor } from "./support/subscriber.js";

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
    for (const snapshots of [false, true]) {
      const payload = JSON.parse(JSON.stringify(discoveryPayload(subject(snapshots))));
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
});
