import { spawnSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { startMosquitto } from "../../scripts/test-support/mosquitto.js";
import { waitFor } from "../../scripts/test-support/subscriber.js";
import { COMMAND_LIMITS } from "../../src/mqtt/answering.js";
import { type FalseBroker, falseBroker, wellBehaved } from "./support/false-broker.js";
import { type Bench, publisherOf, sampleEvent, sampleState } from "./support/samples.js";

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function with_(behave: Parameters<typeof falseBroker>[0]): Promise<FalseBroker> {
  const broker = await falseBroker(behave);
  cleanups.push(() => broker.close());
  return broker;
}

function publisher(...args: Parameters<typeof publisherOf>): Bench {
  const bench = publisherOf(...args);
  cleanups.push(() => bench.publisher.stop(200));
  bench.publisher.start();
  return bench;
}

const warnings = (bench: Bench) =>
  bench.lines.filter((line) => line.level === "warn").map((line) => line.message);

describe("a broker that", () => {
  it("refuses MQTT 5 is spoken to in 3.1.1 at once, and from then on", async () => {
    let refusals = 0;
    const broker = await with_((packet, reply, socket, version) => {
      if (packet.cmd === "connect" && version === 5) {
        refusals += 1;
        reply({ cmd: "connack", sessionPresent: false, reasonCode: 0x84 });
        socket.end();
      } else wellBehaved(packet, reply);
    });
    const bench = publisher({ url: broker.url });
    bench.publisher.event(sampleEvent(1));
    await waitFor(() => bench.publisher.stats().connected && bench.publisher.stats().buffered === 0);
    expect(broker.versions).toEqual([5, 4]);
    expect(refusals).toBe(1);
    expect(warnings(bench)).toEqual([]);
  });

  it("hangs up on MQTT 5 is tried in 3.1.1", async () => {
    const broker = await with_((packet, reply, socket, version) => {
      if (version === 5) socket.destroy();
      else wellBehaved(packet, reply);
    });
    const bench = publisher({ url: broker.url });
    await waitFor(() => bench.publisher.stats().connected);
    expect(broker.versions).toEqual([5, 4]);
  });

  it("hangs up only once, before it was there, is spoken to in MQTT 5 from the next connection on", async () => {
    const broker = await with_((packet, reply, socket, version) => {
      if (broker.versions.length === 1 || (packet.cmd === "subscribe" && version === 4)) socket.destroy();
      else wellBehaved(packet, reply);
    });
    const bench = publisher({ url: broker.url });
    await waitFor(() => broker.versions.length >= 3 && bench.publisher.stats().connected);
    expect(broker.versions).toEqual([5, 4, 5]);
  });

  it.each([
    [5, 0x87],
    [4, 0x80],
  ])("refuses a subscription in MQTT %d is named for what it is: its access list", async (spoken, code) => {
    const broker = await with_((packet, reply, socket, version) => {
      if (packet.cmd === "connect" && version !== spoken) {
        reply({ cmd: "connack", sessionPresent: false, reasonCode: 0x84 });
        socket.end();
      } else if (packet.cmd === "subscribe")
        reply({ cmd: "suback", messageId: packet.messageId ?? 0, granted: [code] });
      else wellBehaved(packet, reply);
    });
    const bench = publisher({ url: broker.url });
    await waitFor(() => warnings(bench).length > 0);
    expect(warnings(bench)[0]).toMatch(/refuses the subscription to commands: its access list forbids it/);
  });

  it("refuses the login is tried for ever, and told once, without the password", async () => {
    const folder = mkdtempSync(join(tmpdir(), "emotiond-login-"));
    const passwords = join(folder, "passwords");
    spawnSync("mosquitto_passwd", ["-b", "-c", passwords, "kitchen", "the right one"]);
    const real = await startMosquitto(["allow_anonymous false", `password_file ${passwords}`]);
    cleanups.push(() => real.stop());
    const passwordFile = join(folder, "password");
    writeFileSync(passwordFile, "hunter2-wrong");
    const bench = publisher({ url: real.url, username: "kitchen", passwordFile });
    bench.publisher.event(sampleEvent(1));
    await new Promise((resolve) => setTimeout(resolve, 900));
    expect(warnings(bench)).toHaveLength(1);
    expect(warnings(bench)[0]).toMatch(/check mqtt.username/);
    expect(bench.lines.filter((line) => line.level === "debug").length).toBeGreaterThan(2);
    expect(bench.logText()).not.toContain("hunter2");
    // The owner corrects the file: no restart is needed.
    writeFileSync(passwordFile, "the right one\n");
    await waitFor(() => bench.publisher.stats().buffered === 0);
  });

  it("is busy is tried again", async () => {
    let refusals = 3;
    const broker = await with_((packet, reply, socket) => {
      if (packet.cmd === "connect" && refusals-- > 0) {
        reply({ cmd: "connack", sessionPresent: false, reasonCode: 0x89 });
        socket.end();
      } else wellBehaved(packet, reply);
    });
    const bench = publisher({ url: broker.url });
    await waitFor(() => bench.publisher.stats().connected);
    expect(warnings(bench)).toEqual(["no connection to the broker: it is busy: emotiond goes on trying"]);
    expect(broker.versions).toEqual([5, 5, 5, 5]);
  });

  it("takes connections and never answers is given up after the timeout, again and again", async () => {
    const broker = await with_("silent");
    const bench = publisher({ url: broker.url }, { timing: { connectTimeout: 150 } });
    await waitFor(() => broker.connections() >= 3);
    expect(warnings(bench)).toEqual([
      "no connection to the broker: it takes connections, but does not answer: is it an MQTT broker?",
    ]);
  });

  it("never acknowledges loses its connection, and gets everything again", async () => {
    let silent = true;
    const seen: number[] = [];
    const broker = await with_((packet, reply) => {
      if (packet.cmd === "publish") {
        const seq: unknown = packet.topic.endsWith("/event") ? JSON.parse(packet.payload.toString()).seq : 0;
        if (typeof seq === "number" && seq > 0) seen.push(seq);
        if (silent) return;
      }
      wellBehaved(packet, reply);
    });
    const bench = publisher({ url: broker.url }, { timing: { ackTimeout: 300 } });
    for (let seq = 1; seq <= 3; seq++) bench.publisher.event(sampleEvent(seq));
    await waitFor(() => broker.connections() >= 2);
    silent = false;
    await waitFor(() => bench.publisher.stats().buffered === 0);
    expect(warnings(bench)).toContain("connection to the broker lost: it stopped acknowledging messages");
    expect(seen.slice(0, 2)).toEqual([1, 1]);
    expect(seen.slice(-3)).toEqual([1, 2, 3]);
  });

  it("acknowledges too late costs one connection, and from then on events say replayed until it is quick", async () => {
    let delay = 600;
    const seen: { seq: number; replayed: boolean }[] = [];
    const broker = await with_((packet, reply) => {
      if (packet.cmd !== "publish" || !packet.topic.endsWith("/event")) return wellBehaved(packet, reply);
      seen.push(JSON.parse(packet.payload.toString()));
      setTimeout(() => wellBehaved(packet, reply), delay);
    });
    const bench = publisher({ url: broker.url }, { timing: { freshFor: 400, ackTimeout: 5000 } });
    for (let seq = 1; seq <= 3; seq++) {
      bench.publisher.event(sampleEvent(seq));
      await waitFor(() => bench.publisher.stats().buffered === 0);
    }
    expect(seen.map(({ seq, replayed }) => [seq, replayed])).toEqual([
      [1, false],
      [1, true],
      [2, true],
      [3, true],
    ]);
    expect(broker.connections()).toBe(2);
    expect(warnings(bench)).toEqual([
      "connection to the broker lost: it takes too long to acknowledge events, which now say `replayed`: check the network",
    ]);
    delay = 0;
    for (let seq = 4; seq <= 5; seq++) {
      bench.publisher.event(sampleEvent(seq));
      await waitFor(() => bench.publisher.stats().buffered === 0);
    }
    expect(seen.slice(-2).map(({ replayed }) => replayed)).toEqual([true, false]);
    expect(broker.connections()).toBe(2);
  });

  it("closes at every third publish still gets every event, in order within a connection", async () => {
    const acknowledged = new Set<number>();
    let publishes = 0;
    const broker = await with_((packet, reply, socket) => {
      if (packet.cmd === "publish") {
        publishes += 1;
        if (publishes % 3 === 0) {
          socket.destroy();
          return;
        }
        if (packet.topic.endsWith("/event")) acknowledged.add(JSON.parse(packet.payload.toString()).seq);
      }
      wellBehaved(packet, reply);
    });
    const bench = publisher({ url: broker.url });
    for (let seq = 1; seq <= 20; seq++) bench.publisher.event(sampleEvent(seq));
    await waitFor(() => bench.publisher.stats().buffered === 0, 15_000);
    expect([...acknowledged]).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
  });

  it("refuses events by its access list is told of once; the events are kept", async () => {
    let refuse = true;
    const broker = await with_((packet, reply) => {
      if (packet.cmd === "publish" && packet.topic.endsWith("/event") && refuse) {
        reply({ cmd: "puback", messageId: packet.messageId ?? 0, reasonCode: 0x87 });
      } else wellBehaved(packet, reply);
    });
    const bench = publisher({ url: broker.url });
    bench.publisher.event(sampleEvent(1));
    await waitFor(() => warnings(bench).length > 0);
    expect(warnings(bench)[0]).toMatch(
      /^the broker refuses events; they are kept: its access list forbids it/,
    );
    expect(bench.publisher.stats()).toMatchObject({ buffered: 1, dropped: 0 });
    refuse = false;
    await waitFor(() => bench.publisher.stats().buffered === 0);
  });

  it("takes few messages at a time is never sent more, whatever is to be said at once", async () => {
    const places = 3;
    let unanswered = 0;
    let most = 0;
    const answers: string[] = [];
    const seqs: number[] = [];
    const broker = await with_((packet, reply) => {
      if (packet.cmd === "connect") {
        const properties = { receiveMaximum: places };
        reply({ cmd: "connack", sessionPresent: false, reasonCode: 0, properties });
        return;
      }
      if (packet.cmd !== "publish" || packet.qos !== 1) return wellBehaved(packet, reply);
      unanswered += 1;
      most = Math.max(most, unanswered);
      if (packet.topic.endsWith("/response")) answers.push(packet.payload.toString());
      if (packet.topic.endsWith("/event")) seqs.push(JSON.parse(packet.payload.toString()).seq);
      if (packet.topic.endsWith("/availability")) {
        const topic = "emotiond/kitchen/cmd/resume";
        for (let messageId = 1; messageId <= 8; messageId++) {
          reply({ cmd: "publish", topic, payload: "", qos: 1, messageId, dup: false, retain: false });
        }
      }
      setTimeout(() => {
        unanswered -= 1;
        wellBehaved(packet, reply);
      }, 30);
    });
    const bench = publisher({ url: broker.url });
    bench.publisher.state(sampleState(1));
    for (let seq = 1; seq <= 20; seq++) bench.publisher.event(sampleEvent(seq));
    await waitFor(() => bench.publisher.stats().buffered === 0 && answers.length === 8);
    expect(most).toBe(places);
    expect(seqs).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
    expect(broker.connections()).toBe(1);
  });

  it("never acknowledges the answers to a flood of commands makes nothing grow", async () => {
    const FLOOD = 2000;
    const answers: string[] = [];
    let commanded = 0;
    const broker = await with_((packet, reply) => {
      if (packet.cmd === "puback") commanded += 1;
      if (packet.cmd === "publish" && packet.topic.endsWith("/response")) {
        answers.push(packet.payload.toString());
        return;
      }
      wellBehaved(packet, reply);
      if (packet.cmd !== "publish" || !packet.topic.endsWith("/availability")) return;
      for (let messageId = 1; messageId <= FLOOD; messageId++) {
        const topic = "emotiond/kitchen/cmd/resume";
        reply({ cmd: "publish", topic, payload: "{}", qos: 1, messageId, dup: false, retain: false });
      }
    });
    const bench = publisher({ url: broker.url });
    await waitFor(() => commanded === FLOOD);
    for (let seq = 1; seq <= 5; seq++) bench.publisher.event(sampleEvent(seq));
    await waitFor(() => bench.publisher.stats().buffered === 0);
    expect(answers.length).toBeGreaterThan(10);
    expect(answers.length).toBeLessThanOrEqual(COMMAND_LIMITS.answers);
    expect(broker.connections()).toBe(1);
  });

  it("acknowledges in time keeps its connection, even when this process was held up meanwhile", async () => {
    const broker = await startMosquitto();
    cleanups.push(() => broker.stop());
    const bench = publisher({ url: broker.url }, { timing: { ackTimeout: 200, freshFor: 10_000 } });
    await waitFor(() => bench.publisher.stats().connected);
    for (let seq = 1; seq <= 10; seq++) {
      bench.publisher.event(sampleEvent(seq));
      // On its way out before the hold-up begins.
      await new Promise((resolve) => setImmediate(resolve));
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400);
      await waitFor(() => bench.publisher.stats().buffered === 0);
    }
    expect(warnings(bench)).toEqual([]);
  });

  it("sends rubbish is hung up on", async () => {
    const broker = await with_((packet, reply, socket) => {
      wellBehaved(packet, reply);
      if (packet.cmd === "subscribe" && broker.connections() === 1) socket.write(Buffer.alloc(64, 0xff));
    });
    const bench = publisher({ url: broker.url });
    await waitFor(() => broker.connections() >= 2 && bench.publisher.stats().connected);
    expect(warnings(bench)[0]).toMatch(/^connection to the broker lost: what it says is not MQTT/);
  });
});
