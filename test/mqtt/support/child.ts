import { writeSync } from "node:fs";
import { ulid } from "ulid";
import { MQTT_TIMING, type MqttTiming } from "../../../src/mqtt/client.js";
import { publisherOf, sampleEvent } from "./samples.js";

/** What a publisher in a process of its own is told, as JSON in argv. */
export interface ChildOrder {
  readonly settings: Record<string, unknown>;
  /** Milliseconds between events. */
  readonly period: number;
  /** Default: the product's. */
  readonly timing?: Partial<MqttTiming>;
}

/**
 * A publisher in a process of its own, to be killed. It prints `boot seq milliseconds` for each event as it hands it in,
 * and stops in good order at SIGTERM.
 */
const { settings, period, timing = MQTT_TIMING } = JSON.parse(process.argv[2] ?? "") as ChildOrder;
const boot = ulid();
const { publisher } = publisherOf({ homeAssistant: { enabled: false }, ...settings }, { timing });
publisher.start();
let seq = 0;
const timer = setInterval(() => {
  seq += 1;
  publisher.event(sampleEvent(seq, { boot }));
  // Synchronously: a line that waited in the process would die with it.
  writeSync(1, `${boot} ${seq} ${Date.now()}\n`);
}, period);
process.once("SIGTERM", () => {
  clearInterval(timer);
  void publisher.stop(5000).then(() => process.exit(publisher.stats().buffered === 0 ? 0 : 3));
});
