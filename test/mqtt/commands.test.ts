import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Mosquitto, startMosquitto } from "../../scripts/test-support/mosquitto.js";
import { type Subscriber, subscribe, waitFor } from "../../scripts/test-support/subscriber.js";
import { commandSubscription } from "../../src/mqtt/command-subscription.js";
import type { Connection } from "../../src/mqtt/connection.js";
import type { Command, CommandHandler } from "../../src/mqtt/publisher.js";
import { topicsOf } from "../../src/mqtt/topics.js";
import { type Bench, capturedLog, publisherOf } from "./support/samples.js";

let broker: Mosquitto;
let bench: Bench;
let app: Subscriber;
let ran: Command[];
let handler: CommandHandler;

beforeEach(async () => {
  ran = [];
  handler = () => Promise.resolve({ ok: true });
  broker = await startMosquitto();
  bench = publisherOf(
    { url: broker.url },
    {
      onCommand: (command) => {
        ran.push(command);
        return handler(command);
      },
    },
  );
  app = await subscribe(broker.url, "#");
});
afterEach(async () => {
  await bench.publisher.stop(500);
  await app.end();
  await broker.stop();
});

async function start() {
  bench.publisher.start();
  await waitFor(() => bench.publisher.stats().connected);
  // The subscription follows the connection; a first command that is answered shows that it is there.
  const sendUntil = setInterval(() => app.client.publish("emotiond/kitchen/cmd/nothing", ""), 50);
  await app.until(() => app.on("/response").length > 0);
  clearInterval(sendUntil);
  await new Promise((resolve) => setTimeout(resolve, 100));
  app.received.length = 0;
  ran.length = 0;
}

const answers = (suffix = "/response") => app.on(suffix).map((message) => JSON.parse(message.text) as object);
const send = (name: string, payload: string | Buffer = "", options = {}) =>
  app.client.publishAsync(`emotiond/kitchen/cmd/${name}`, payload, { qos: 1, ...options });

describe("commands", () => {
  it("run, and are answered on `response`, not retained", async () => {
    await start();
    await send("pause");
    await send("display", '{"sink":"none"}');
    await app.until(() => answers().length >= 2);
    expect(ran).toEqual([{ name: "pause" }, { name: "display", sink: "none" }]);
    expect(answers()).toEqual([{ ok: true }, { ok: true }]);
    expect(app.on("/response")[0]?.packet).toMatchObject({ retain: false, qos: 1 });
  });

  it("are answered on the MQTT 5 response topic with the correlation data", async () => {
    await start();
    const correlationData = Buffer.from([0, 1, 255]);
    await send("resume", "{}", { properties: { responseTopic: "app/answers", correlationData } });
    await app.until(() => answers("app/answers").length > 0);
    expect(answers("app/answers")).toEqual([{ ok: true }]);
    expect(app.on("app/answers")[0]?.packet.properties?.correlationData).toEqual(correlationData);
    expect(answers("/response")).toEqual([]);
  });

  it("are not answered on a topic of the device itself", async () => {
    await start();
    await send("pause", "", { properties: { responseTopic: "emotiond/kitchen/state" } });
    await app.until(() => answers().length > 0);
    expect(app.on("/state")).toEqual([]);
  });

  it("that do not fit are answered and change nothing", async () => {
    await start();
    const misfits: [string, string | Buffer][] = [
      ["pause", "{"],
      ["pause", '{"now":1}'],
      ["display", ""],
      ["display", '{"sink":1}'],
      ["reboot", "{}"],
      ["pause", Buffer.alloc(5000, 32)],
      ["resume", Buffer.from([0xc3, 0x28])],
    ];
    for (const [name, payload] of misfits) await send(name, payload);
    await app.until(() => answers().length >= misfits.length);
    for (const answer of answers()) expect(answer).toMatchObject({ ok: false, error: expect.any(String) });
    expect(ran).toEqual([]);
  });

  it("that are retained are ignored, those found at the connection and those that come later", async () => {
    await send("pause", "", { retain: true });
    await send("pause", "{}", { retain: true });
    await start();
    expect(ran).toEqual([]);
    await send("pause", "{}", { retain: true });
    await waitFor(() => bench.logText().includes("retained command"));
    expect(ran).toEqual([]);
    expect(answers()).toEqual([]);
  });

  it("are limited in rate; those beyond are refused", async () => {
    await start();
    await Promise.all(Array.from({ length: 40 }, () => send("pause")));
    await app.until(() => answers().length >= 40);
    expect(ran.length).toBeLessThanOrEqual(12);
    expect(answers().filter((answer) => "error" in answer).length).toBeGreaterThan(20);
    expect(bench.publisher.stats().connected).toBe(true);
  });

  it.each([
    ["made-up topics", (i: number) => [`${i}-${"x".repeat(i % 300)}`, "{}"] as const, {}],
    ["known commands with payloads that do not fit", (i: number) => ["pause", `{"bad${i}":1}`] as const, {}],
    [
      "known commands with much correlation data",
      () => ["pause", "{}"] as const,
      { properties: { correlationData: Buffer.alloc(60_000) } },
    ],
    ["retained ones", (i: number) => [`${i}`, "{}"] as const, { retain: true }],
    ["display sinks that there are not", (i: number) => ["display", `{"sink":"x${i}"}`] as const, {}],
  ])("in a flood of %s are bounded in answers and log lines", async (_what, message, options) => {
    await start();
    handler = (command) =>
      Promise.resolve({ ok: false, error: `no ${command.name === "display" ? command.sink : command.name}` });
    const begun = performance.now();
    const before = bench.lines.length;
    for (let i = 0; i < 3000; i++) {
      const [name, payload] = message(i);
      app.client.publish(`emotiond/kitchen/cmd/${name}`, payload, { qos: 0, ...options });
    }
    await send("nothing");
    await waitFor(() => bench.lines.length > before);
    await new Promise((resolve) => setTimeout(resolve, 1200));
    const seconds = (performance.now() - begun) / 1000;
    // Ten commands and fifty refusals at once, two and ten a second from then on.
    expect(answers().length).toBeLessThanOrEqual(10 + 50 + 12 * seconds);
    const told = bench.lines.slice(before);
    const commands = told.filter(({ message: text }) => text === "command").length;
    expect(commands).toBeLessThanOrEqual(10 + 2 * seconds);
    // A line at once and one a second, of three kinds at most.
    expect(told.length - commands).toBeLessThanOrEqual(3 * (2 + seconds));
    expect(bench.publisher.stats().connected).toBe(true);
    // What tells the log's lines apart is the text and the texts right inside the object.
    const keys = told.map(({ details, message: text }) =>
      [text, ...Object.values(details).filter((value) => typeof value === "string")].join(),
    );
    expect(new Set(keys).size).toBeLessThanOrEqual(5);
  });

  it("that there are run in a flood of others", async () => {
    await start();
    for (let i = 0; i < 2000; i++) app.client.publish(`emotiond/kitchen/cmd/${i}`, "{}", { qos: 0 });
    await send("pause");
    await waitFor(() => ran.length > 0);
    expect(ran[0]).toEqual({ name: "pause" });
    expect(bench.logText()).not.toContain("connection to the broker lost");
  });

  it("that there are not are kept by the broker once they are a flood; the others are heard as before", async () => {
    await start();
    for (let i = 0; i < 3000; i++) app.client.publish(`emotiond/kitchen/cmd/${i}`, "{}", { qos: 0 });
    await waitFor(() => bench.logText().includes("a flood of unknown commands"));
    // What was under way comes before this one is answered.
    await send("resume");
    await app.until(() => answers().some((answer) => "ok" in answer && answer.ok === true));
    ran.length = 0;
    app.received.length = 0;
    await send("nothing");
    for (const name of ["pause", "resume", "snapshot"]) await send(name);
    await send("display", '{"sink":"none"}');
    await send("paused", "true");
    await app.until(() => answers().length >= 5);
    expect(ran.map(({ name }) => name)).toEqual(["pause", "resume", "snapshot", "display", "pause"]);
    expect(answers()).toEqual(Array(5).fill({ ok: true }));
    expect(bench.logText()).not.toContain("connection to the broker lost");
  });

  it("that there are not are heard again after a while, and nothing is changed for a broker that is gone", async () => {
    const calls: string[] = [];
    const connection = {
      subscribe: (filter: string) => void calls.push(`+${filter}`),
      unsubscribe: (filters: readonly string[]) => void calls.push(...filters.map((filter) => `-${filter}`)),
    } as unknown as Connection;
    const { log, lines } = capturedLog();
    const subscription = commandSubscription(topicsOf("e", "d"), log, () => {}, 50);
    subscription.connected(connection, true);
    const flood = (name: string) => {
      for (let i = 0; i < 5000; i++) subscription.message(`e/d/cmd/${name}`);
    };
    flood("pause");
    expect(calls.splice(0)).toEqual(["+e/d/cmd/+"]);
    flood("reboot");
    const known = ["pause", "resume", "paused", "display", "snapshot"].map((name) => `e/d/cmd/${name}`);
    expect(calls.splice(0)).toEqual([...known.map((filter) => `+${filter}`), "-e/d/cmd/+"]);
    await waitFor(() => calls.length > 0);
    expect(calls.splice(0)).toEqual(["+e/d/cmd/+", ...known.map((filter) => `-${filter}`)]);
    flood("reboot");
    calls.length = 0;
    subscription.disconnected();
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(calls).toEqual([]);
    expect(lines).toHaveLength(2);
  });

  it("are not carried out when their correlation data is too long to send back", async () => {
    await start();
    await send("pause", "{}", { properties: { correlationData: Buffer.alloc(1025) } });
    await app.until(() => answers().length > 0);
    expect(answers()).toEqual([
      { ok: false, error: "correlation data of 1025 bytes; at most 1024 are taken" },
    ]);
    expect(ran).toEqual([]);
  });

  it.each([
    ["another device's response", "emotiond/hall/response"],
    ["another device's command", "emotiond/hall/cmd/pause"],
    ["the state of a device under another base topic", "house/door/state"],
    ["the command of a device under another base topic", "a/b/c/cmd/display"],
    ["Home Assistant's birth message", "homeassistant/status"],
    ["Home Assistant's discovery", "homeassistant/device/emotiond-hall/config"],
    ["the broker's own", "$SYS/broker/log"],
    ["a topic so deep that mosquitto ends the connection", `deep${"/x".repeat(300)}`],
  ])("are not answered on %s", async (_what, responseTopic) => {
    await start();
    await send("pause", "{}", { properties: { responseTopic } });
    const done = () => app.received.filter(({ text }) => text === '{"ok":true}');
    await app.until(() => done().length > 0);
    expect(done().map(({ topic }) => topic)).toEqual(["emotiond/kitchen/response"]);
    expect(bench.publisher.stats().connected).toBe(true);
  });

  it("send a picture that the handler returns to `snapshot`, QoS 0 and not retained", async () => {
    await start();
    const jpeg = Buffer.from([0xff, 0xd8, 0xff, 0xd9]);
    handler = () => Promise.resolve({ ok: true, jpeg });
    await send("snapshot");
    await app.until(() => app.on("/snapshot").length > 0 && answers().length > 0);
    expect(app.on("/kitchen/snapshot")[0]?.packet).toMatchObject({ payload: jpeg, qos: 0, retain: false });
    expect(answers()).toEqual([{ ok: true }]);
    handler = () => Promise.resolve({ ok: false, error: "snapshots are off: set privacy.snapshots" });
    await send("snapshot");
    await app.until(() => answers().length > 1);
    expect(answers()[1]).toEqual({ ok: false, error: "snapshots are off: set privacy.snapshots" });
  });

  it("whose handler fails are answered all the same", async () => {
    await start();
    handler = () => Promise.reject(new Error("secret detail"));
    await send("pause");
    await app.until(() => answers().length > 0);
    expect(answers()).toEqual([{ ok: false, error: "the command failed" }]);
  });

  it("are all that is subscribed to", async () => {
    await start();
    for (const topic of ["emotiond/kitchen/cmd", "emotiond/kitchen/cmd/pause/x", "emotiond/hall/cmd/pause"]) {
      await app.client.publishAsync(topic, "", { qos: 1 });
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(ran).toEqual([]);
    expect(answers()).toEqual([]);
  });
});
