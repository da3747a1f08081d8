import { afterEach, describe, expect, it } from "vitest";
import { startMosquitto } from "../../scripts/test-support/mosquitto.js";
import { subscribe, waitFor } from "../../scripts/test-support/subscriber.js";
import { type FalseBroker, falseBroker, wellBehaved } from "./support/false-broker.js";
import { type Bench, publisherOf, sampleEvent, sampleHealth, sampleState } from "./support/samples.js";

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function mosquitto(...settings: string[]) {
  const broker = await startMosquitto(["allow_anonymous true", ...settings]);
  cleanups.push(() => broker.stop());
  const app = await subscribe(broker.url, "#", { protocolVersion: 4 });
  cleanups.push(() => app.end());
  return { broker, app };
}

async function brokerThat(behave: Parameters<typeof falseBroker>[0]): Promise<FalseBroker> {
  const broker = await falseBroker(behave);
  cleanups.push(() => broker.close());
  return broker;
}

function publisher(url: string, more: Parameters<typeof publisherOf>[1] = {}): Bench {
  const bench = publisherOf({ url }, more);
  cleanups.push(() => bench.publisher.stop(200));
  bench.publisher.start();
  return bench;
}

const warnings = (bench: Bench) =>
  bench.lines.filter((line) => line.level === "warn").map((line) => line.message);
const connects = (bench: Bench) => bench.lines.filter((line) => line.message === "connected to the broker");

/** A few of everything; resolves when the outbox is empty. */
async function speak({ publisher }: Bench, events = 5): Promise<void> {
  await waitFor(() => publisher.stats().connected);
  publisher.state(sampleState(1));
  publisher.health(sampleHealth());
  for (let seq = 1; seq <= events; seq++) publisher.event(sampleEvent(seq));
  await waitFor(() => publisher.stats().buffered === 0);
}

describe("a broker that takes", () => {
  it.each([1024, 2000])(
    "packets of %d bytes gets all that fits, without discovery, and the limit is told once",
    async (bytes) => {
      const { broker, app } = await mosquitto(`max_packet_size ${bytes}`);
      const bench = publisher(broker.url, { timing: { stableAfter: 100 } });
      await speak(bench);
      await app.until(() => app.on("/event").length >= 5 && app.on("/health").length > 0);
      await app.until(() => app.on("/state").length > 0 && app.on("/availability").length > 0);
      expect(app.received.filter(({ topic }) => topic.endsWith("/config"))).toEqual([]);
      // After a connection that has lasted, other troubles are news again.
      await new Promise((resolve) => setTimeout(resolve, 150));
      await broker.restart();
      await waitFor(() => connects(bench).length === 2);
      bench.publisher.event(sampleEvent(6));
      await waitFor(() => bench.publisher.stats().buffered === 0);
      const told = warnings(bench).filter((line) => line.includes(String(bytes)));
      expect(told).toEqual([
        `the broker refuses Home Assistant's discovery (mqtt.homeAssistant.enabled: false turns it off): it takes packets of ${bytes} bytes at most: raise that on the broker (in mosquitto: max_packet_size)`,
      ]);
      expect(bench.publisher.stats()).toMatchObject({ dropped: 0 });
    },
  );

  it("packets too small for an event loses those alone: each counted, told once, the connection lives", async () => {
    const { broker, app } = await mosquitto("max_packet_size 300");
    const bench = publisher(broker.url);
    await speak(bench, 20);
    bench.publisher.state(sampleState(0));
    await app.until(() => app.on("/state").length >= 2);
    expect(bench.publisher.stats()).toMatchObject({ connected: true, buffered: 0, dropped: 20 });
    expect(connects(bench)).toHaveLength(1);
    expect(
      warnings(bench).filter((line) => /an event .* dropped: it takes packets of 300 bytes/.test(line)),
    ).toHaveLength(1);
    expect(
      warnings(bench).filter((line) => /refuses health: it takes packets of 300 bytes/.test(line)),
    ).toHaveLength(1);
  });

  it("an event of exactly its size takes it, and not one of a byte more", async () => {
    const event = sampleEvent(1);
    // Type and length, topic, packet identifier, no properties, JSON.
    const size = 3 + 2 + "emotiond/kitchen/event".length + 2 + 1 + JSON.stringify(event).length;
    for (const [limit, dropped] of [
      [size, 0],
      [size - 1, 1],
    ] as const) {
      let got = 0;
      const broker = await brokerThat((packet, reply) => {
        if (packet.cmd === "connect") {
          const properties = { maximumPacketSize: limit };
          reply({ cmd: "connack", sessionPresent: false, reasonCode: 0, properties });
          return;
        }
        if (packet.cmd === "publish" && packet.topic.endsWith("/event")) {
          got += 1;
          expect((packet.length ?? 0) + 3).toBe(size);
        }
        wellBehaved(packet, reply);
      });
      const { publisher: one } = publisher(broker.url, { timing: { lateAfter: 5000, freshFor: 10_000 } });
      await waitFor(() => one.stats().connected);
      one.event(event);
      await waitFor(() => one.stats().buffered === 0);
      expect([got, one.stats().dropped]).toEqual([1 - dropped, dropped]);
    }
  });

  it("QoS 0 alone is sent everything so, and what that costs is told once", async () => {
    const { broker, app } = await mosquitto("max_qos 0");
    const bench = publisher(broker.url);
    await speak(bench, 50);
    await app.until(() => app.on("/event").length >= 50);
    expect(app.on("/event").map(({ text }) => JSON.parse(text).seq)).toEqual(
      Array.from({ length: 50 }, (_, i) => i + 1),
    );
    expect(warnings(bench)).toEqual([
      "the broker acknowledges nothing, so that an event which is on its way when a connection breaks is lost: its Maximum QoS is 0 (in mosquitto: max_qos)",
    ]);
    expect(app.on("/availability")[0]?.text).toBe("online");
  });

  it("no retained messages is sent none, and that is told once", async () => {
    const { broker, app } = await mosquitto("retain_available false");
    const bench = publisher(broker.url);
    await speak(bench);
    await app.until(() => app.on("/event").length >= 5 && app.on("/config").length === 1);
    expect(warnings(bench)).toEqual([
      expect.stringMatching(/^the broker keeps nothing for those who come later: .*retain_available/),
    ]);
    // The last will is there all the same.
    expect(connects(bench)).toHaveLength(1);
  });

  it("packets of a size that MQTT 3.1.1 cannot tell gets everything but discovery", async () => {
    const seqs = new Set<number>();
    const broker = await brokerThat((packet, reply, socket, version) => {
      if (packet.cmd === "connect" && version === 5) {
        reply({ cmd: "connack", sessionPresent: false, reasonCode: 0x84 });
        socket.end();
      } else if (packet.cmd === "publish" && (packet.length ?? 0) > 1024) socket.destroy();
      else {
        if (packet.cmd === "publish" && packet.topic.endsWith("/event"))
          seqs.add((JSON.parse(packet.payload.toString()) as { seq: number }).seq);
        wellBehaved(packet, reply);
      }
    });
    const bench = publisher(broker.url);
    for (let seq = 1; seq <= 20; seq++) bench.publisher.event(sampleEvent(seq));
    await waitFor(() =>
      warnings(bench).some((line) => /discovery is left out of this connection/.test(line)),
    );
    const connections = broker.connections();
    await waitFor(() => bench.publisher.stats().buffered === 0);
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect([...seqs]).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
    expect(broker.connections()).toBe(connections);
    expect(bench.publisher.stats()).toMatchObject({ connected: true, dropped: 0 });
  });

  it("no wildcards is asked for each command by name", async () => {
    const filters: string[] = [];
    const broker = await brokerThat((packet, reply) => {
      if (packet.cmd === "connect") {
        const properties = { wildcardSubscriptionAvailable: false };
        reply({ cmd: "connack", sessionPresent: false, reasonCode: 0, properties });
        return;
      }
      if (packet.cmd === "subscribe") filters.push(...packet.subscriptions.map(({ topic }) => topic));
      wellBehaved(packet, reply);
    });
    publisher(broker.url);
    await waitFor(() => filters.length >= 6);
    expect(filters.filter((filter) => /[+#]/.test(filter))).toEqual([]);
    expect(filters).toContain("emotiond/kitchen/cmd/snapshot");
    expect(filters).toContain("emotiond/kitchen/cmd/pause");
  });

  it("its own idea of keep-alive hears from the client within it", async () => {
    let pings = 0;
    const broker = await brokerThat((packet, reply) => {
      if (packet.cmd === "connect") {
        const properties = { serverKeepAlive: 1 };
        reply({ cmd: "connack", sessionPresent: false, reasonCode: 0, properties });
        return;
      }
      if (packet.cmd === "pingreq") pings += 1;
      wellBehaved(packet, reply);
    });
    publisher(broker.url);
    await waitFor(() => pings >= 2, 4000);
    expect(broker.connections()).toBe(1);
  });
});
