import { afterEach, describe, expect, it } from "vitest";
import { startMosquitto } from "../../scripts/test-support/mosquitto.js";
import { subscribe, waitFor } from "../../scripts/test-support/subscriber.js";
import { startEmbeddedBroker } from "../../src/mqtt/broker.js";
import { publisherOf, sampleHealth, sampleState } from "./support/samples.js";

/** What a listener is told at each connection of a device, and in which order. */

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const brokers = {
  "mosquitto, MQTT 5": async () => {
    const broker = await startMosquitto();
    return { url: broker.url, close: () => broker.stop() };
  },
  "aedes, MQTT 3.1.1": () => startEmbeddedBroker(0),
} as const;

describe("a connection", () => {
  it.each(Object.entries(brokers))(
    "begins with what is retained, and online comes last: %s",
    async (name, start) => {
      const broker = await start();
      cleanups.push(() => broker.close());
      const version = name === "mosquitto, MQTT 5" ? 5 : 4;
      const listener = await subscribe(broker.url, "#", { protocolVersion: version });
      cleanups.push(() => listener.end());
      const { publisher } = publisherOf({ url: broker.url });
      cleanups.push(() => publisher.stop(300));
      publisher.health(sampleHealth());
      publisher.state(sampleState(0));
      publisher.start();
      await waitFor(() => listener.on("/availability").length > 0);
      const told = listener.received.map(({ topic }) => topic);
      expect(told.slice(0, -1).sort()).toEqual([
        "emotiond/kitchen/health",
        "emotiond/kitchen/paused",
        "emotiond/kitchen/state",
        "homeassistant/device/emotiond-kitchen/config",
      ]);
      expect(told.at(-1)).toBe("emotiond/kitchen/availability");
      expect(listener.received.at(-1)?.text).toBe("online");
    },
  );

  it("after an outage says how it is now before online, and offline stands until then", async () => {
    const broker = await startMosquitto();
    cleanups.push(() => broker.stop());
    const { publisher } = publisherOf({ url: broker.url });
    cleanups.push(() => publisher.stop(300));
    publisher.state(sampleState(2));
    publisher.start();
    await waitFor(() => publisher.stats().connected);
    await broker.kill();
    await waitFor(() => !publisher.stats().connected);
    publisher.state(sampleState(0));
    await broker.restart();
    const listener = await subscribe(broker.url, "emotiond/kitchen/+");
    cleanups.push(() => listener.end());
    await waitFor(() => listener.on("/availability").some(({ text }) => text === "online"));
    const states = listener.on("/state");
    expect(states.map(({ text }) => (JSON.parse(text) as { faces: number }).faces)).toEqual([0]);
    const told = listener.received.map(({ topic, text }) => `${topic} ${text}`);
    expect(told.findIndex((one) => one.startsWith("emotiond/kitchen/state"))).toBeLessThan(
      told.lastIndexOf("emotiond/kitchen/availability online"),
    );
  });
});
