import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import mqtt from "mqtt";
import { afterEach, describe, expect, it } from "vitest";
import { freePort, PERSISTENT, startMosquitto } from "../../scripts/test-support/mosquitto.js";
import { DURABLE, subscribe, waitFor } from "../../scripts/test-support/subscriber.js";
import { eventSchema } from "../../src/events/schema.js";
import { startEmbeddedBroker } from "../../src/mqtt/broker.js";
import type { ChildOrder } from "./support/child.js";
import { publisherOf, sampleEvent, sampleHealth, sampleState } from "./support/samples.js";

const cleanups: (() => Promise<unknown>)[] = [];
const later = <T>(thing: T, cleanup: (thing: T) => Promise<unknown>): T => {
  cleanups.push(() => cleanup(thing));
  return thing;
};
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const mosquitto = async (settings?: string[], port?: number) =>
  later(await startMosquitto(settings, port), (broker) => broker.stop());
const listener = async (url: string, filter = "emotiond/#", options = {}) =>
  later(await subscribe(url, filter, options), (subscriber) => subscriber.end());
const publisher = (...args: Parameters<typeof publisherOf>) =>
  later(publisherOf(...args), (bench) => bench.publisher.stop(300));
const seqs = (messages: { text: string }[]) =>
  messages.map((message) => JSON.parse(message.text).seq as number);

describe("with a broker", () => {
  it("publishes each topic with the QoS and retained flag of the contract", async () => {
    const broker = await mosquitto();
    // mosquitto's own client: what it prints owes nothing to mqtt.js.
    const raw = spawn("mosquitto_sub", [
      ...["-p", String(broker.port), "-V", "5", "-q", "1", "-t", "emotiond/#", "--retain-as-published"],
      ...["-F", "%t|%r|%q|%p"],
    ]);
    later(raw, async (child) => child.kill());
    let out = "";
    raw.stdout.on("data", (text: Buffer) => {
      out += text.toString();
    });
    const { publisher: sender } = publisher({ url: broker.url });
    await new Promise((resolve) => setTimeout(resolve, 300));
    sender.start();
    await waitFor(() => sender.stats().connected);
    sender.event(sampleEvent(1));
    sender.state(sampleState(1));
    sender.health(sampleHealth());
    await waitFor(() => out.trim().split("\n").length >= 5);
    const lines = out.trim().split("\n");
    const flags = Object.fromEntries(lines.map((line) => [line.split("|")[0], line.split("|").slice(1, 3)]));
    expect(flags).toEqual({
      "emotiond/kitchen/availability": ["1", "1"],
      "emotiond/kitchen/event": ["0", "1"],
      "emotiond/kitchen/state": ["1", "1"],
      "emotiond/kitchen/health": ["1", "0"],
      "emotiond/kitchen/paused": ["1", "1"],
    });
    const event =
      lines
        .find((line) => line.includes("/event|"))
        ?.split("|")
        .slice(3)
        .join("|") ?? "";
    expect(eventSchema.parse(JSON.parse(event))).toMatchObject({ seq: 1, replayed: false });

    // Someone who comes later gets what is retained, and no event.
    const late = await listener(broker.url);
    await late.until((received) => received.length >= 4);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(late.received.map((message) => message.topic).sort()).toEqual([
      "emotiond/kitchen/availability",
      "emotiond/kitchen/health",
      "emotiond/kitchen/paused",
      "emotiond/kitchen/state",
    ]);
  });

  it("says offline at a clean stop, after all events, and soon", async () => {
    const broker = await mosquitto();
    const subscriber = await listener(broker.url);
    const { publisher: sender } = publisher({ url: broker.url });
    sender.start();
    await waitFor(() => sender.stats().connected);
    for (let seq = 1; seq <= 500; seq++) sender.event(sampleEvent(seq));
    const start = performance.now();
    await sender.stop(5000);
    expect(performance.now() - start).toBeLessThan(4000);
    await subscriber.until((received) => received.at(-1)?.text === "offline");
    expect(seqs(subscriber.on("/event"))).toEqual(Array.from({ length: 500 }, (_, i) => i + 1));
    expect(subscriber.on("/availability").map((message) => message.text)).toEqual(["online", "offline"]);
    expect(sender.stats()).toMatchObject({ connected: false, buffered: 0, dropped: 0 });
  });

  it("leaves the last will, offline and retained, to the broker when it is killed", async () => {
    const broker = await mosquitto();
    const subscriber = await listener(broker.url);
    const order: ChildOrder = { settings: { url: broker.url }, period: 100 };
    const child = spawn(
      process.execPath,
      ["--import", "tsx", join(import.meta.dirname, "support/child.ts"), JSON.stringify(order)],
      { stdio: ["ignore", "ignore", "inherit"] },
    );
    await subscriber.until(
      (received) => received.some((message) => message.topic.endsWith("/event")),
      15_000,
    );
    child.kill("SIGKILL");
    await once(child, "exit");
    await subscriber.until((received) => received.some((message) => message.text === "offline"));
    const late = await listener(broker.url, "emotiond/+/availability");
    await late.until((received) => received.length > 0);
    expect(late.received[0]).toMatchObject({ text: "offline", packet: { retain: true, qos: 1 } });
  });

  it("takes its place back from its own dead connection: that one's offline comes before online", async () => {
    const broker = await mosquitto();
    const subscriber = await listener(broker.url, "emotiond/+/availability");
    const dead = mqtt.connect(broker.url, {
      clientId: "emotiond-kitchen",
      reconnectPeriod: 0,
      will: { topic: "emotiond/kitchen/availability", payload: Buffer.from("offline"), qos: 1, retain: true },
    });
    await waitFor(() => dead.connected);
    publisher({ url: broker.url }).publisher.start();
    await subscriber.until((received) => received.length >= 2);
    expect(subscriber.received.map((message) => message.text)).toEqual(["offline", "online"]);
  });

  it("says what is wrong when two devices have one name", async () => {
    const broker = await mosquitto();
    const [first, second] = [publisher({ url: broker.url }), publisher({ url: broker.url })];
    first.publisher.start();
    await waitFor(() => first.publisher.stats().connected);
    second.publisher.start();
    await waitFor(() => first.logText().includes("is there a second emotiond with this `device`"));
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect(first.lines.filter((line) => line.level !== "debug").length).toBeLessThan(8);
  });
});

describe("without a broker", () => {
  it("works on, and delivers everything in order as replayed when one appears", async () => {
    const broker = await mosquitto([...PERSISTENT]);
    const subscriber = await listener(broker.url, "emotiond/#", DURABLE);
    await broker.terminate();
    const { publisher: sender, lines } = publisher({ url: broker.url });
    sender.start();
    for (let seq = 1; seq <= 200; seq++) sender.event(sampleEvent(seq));
    sender.state(sampleState(1));
    sender.state(sampleState(2));
    await new Promise((resolve) => setTimeout(resolve, 700));
    const warnings = lines.filter((line) => line.level === "warn");
    expect(warnings).toHaveLength(1);
    expect(warnings[0]?.message).toBe(
      "no connection to the broker: nothing listens there: start the broker, or correct mqtt.url",
    );
    await broker.restart();
    await subscriber.until(() => subscriber.on("/event").length >= 200);
    const events = subscriber.on("/event");
    expect(seqs(events)).toEqual(Array.from({ length: 200 }, (_, i) => i + 1));
    for (const event of events) {
      expect(JSON.parse(event.text).replayed).toBe(true);
      expect(event.packet.properties?.messageExpiryInterval).toBeGreaterThan(86_000);
    }
    // Of the state only the newest was of interest.
    expect(subscriber.on("/state").map((message) => JSON.parse(message.text).faces)).toEqual([2]);
    await waitFor(() => sender.stats().buffered === 0);
    expect(sender.stats()).toMatchObject({ dropped: 0, replayed: 200 });
    sender.event(sampleEvent(201));
    await subscriber.until(() => subscriber.on("/event").length > 200);
    expect(JSON.parse(subscriber.on("/event").at(-1)?.text ?? "")).toMatchObject({
      seq: 201,
      replayed: false,
    });
  });

  it("sends again what a killed broker had not acknowledged, and renews state and availability", async () => {
    const broker = await mosquitto([...PERSISTENT]);
    const subscriber = await listener(broker.url, "emotiond/#", DURABLE);
    const { publisher: sender } = publisher({ url: broker.url });
    sender.start();
    await waitFor(() => sender.stats().connected);
    sender.state(sampleState(3));
    await broker.kill();
    for (let seq = 1; seq <= 10; seq++) sender.event(sampleEvent(seq));
    await broker.restart();
    await subscriber.until(() => subscriber.on("/event").length >= 10);
    await subscriber.until(() => subscriber.on("/state").length > 0);
    expect(seqs(subscriber.on("/event"))).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(subscriber.on("/availability").at(-1)?.text).toBe("online");
    expect(JSON.parse(subscriber.on("/state").at(-1)?.text ?? "").faces).toBe(3);
  });

  it("stops in time, whether it never connected or the broker hangs", async () => {
    const { publisher: never } = publisher({ url: `mqtt://127.0.0.1:${await freePort()}` });
    never.start();
    never.event(sampleEvent(1));
    let start = performance.now();
    await never.stop(1000);
    expect(performance.now() - start).toBeLessThan(1100);

    const { publisher: idle } = publisher({ url: "mqtt://127.0.0.1:1" });
    await idle.stop(1000);

    const broker = await mosquitto();
    const { publisher: hung } = publisher({ url: broker.url }, { timing: { ackTimeout: 60_000 } });
    hung.start();
    await waitFor(() => hung.stats().connected);
    const { pid } = await findMosquitto(broker.port);
    process.kill(pid, "SIGSTOP");
    try {
      hung.event(sampleEvent(1));
      start = performance.now();
      await hung.stop(1000);
      expect(performance.now() - start).toBeLessThan(1200);
    } finally {
      process.kill(pid, "SIGCONT");
    }
  });

  it("drops the oldest beyond maxEvents, and counts them", async () => {
    const broker = await mosquitto([...PERSISTENT]);
    const subscriber = await listener(broker.url, "emotiond/#", DURABLE);
    await broker.terminate();
    const { publisher: sender } = publisher({ url: broker.url, outbox: { maxEvents: 5 } });
    sender.start();
    for (let seq = 1; seq <= 8; seq++) sender.event(sampleEvent(seq));
    expect(sender.stats()).toMatchObject({ buffered: 5, dropped: 3 });
    await broker.restart();
    await subscriber.until(() => subscriber.on("/event").length >= 5);
    expect(seqs(subscriber.on("/event"))).toEqual([4, 5, 6, 7, 8]);
  });
});

describe("the embedded broker", () => {
  it("is reached with MQTT 3.1.1 after it refused 5, and serves subscribers", async () => {
    const broker = later(await startEmbeddedBroker(0), (one) => one.close());
    const { publisher: sender, logText } = publisher({ url: broker.url });
    const subscriber = later(await subscribe(broker.url, "emotiond/#", { protocolVersion: 4 }), (one) =>
      one.end(),
    );
    sender.start();
    await waitFor(() => sender.stats().connected);
    expect(logText()).toContain('"mqtt":"3.1.1"');
    sender.event(sampleEvent(1));
    await subscriber.until(() => subscriber.on("/event").length > 0);
    await sender.stop(2000);
    await subscriber.until(() => subscriber.on("/availability").at(-1)?.text === "offline");
  });
});

describe("the embedded broker by itself", () => {
  it("closes even while a client keeps silent, and says when its port is taken", async () => {
    const broker = await startEmbeddedBroker(0);
    const silent = connect(broker.port, "127.0.0.1");
    silent.on("error", () => {});
    await once(silent, "connect");
    await expect(startEmbeddedBroker(broker.port)).rejects.toMatchObject({ code: "EADDRINUSE" });
    await broker.close();
    await waitFor(() => silent.destroyed || silent.closed);
  });
});

async function findMosquitto(port: number): Promise<{ pid: number }> {
  const ss = spawn("ss", ["-Hltnp", `sport = :${port}`]);
  let out = "";
  ss.stdout.on("data", (text: Buffer) => {
    out += text.toString();
  });
  await once(ss, "close");
  return { pid: Number(/pid=(\d+)/.exec(out)?.[1]) };
}
