import { writeSync } from "node:fs";
import { ulid } from "ulid";
import { publisherOf, sampleEvent } from "./samples.js";

/**
 * A publisher in a process of its own, to be killed. argv: URL of the broker, folder of the outbox (or ""), and
 * milliseconds between events. It prints `boot seq milliseconds` for each event as it hands it in, and stops in good
 * order at SIGTERM.
 */
const [url = "", path = "", period = "100"] = process.argv.slice(2);
const boot = ulid();
const { publisher } = publisherOf(
  { url, outbox: { diskAfter: 0.1, ...(path === "" ? {} : { path }) }, homeAssistant: { enabled: false } },
  { timing: { connectTimeout: 1000, ackTimeout: 1000, lateAfter: 300, backoff: { first: 50, cap: 300 } } },
);
publisher.start();
let seq = 0;
const timer = setInterval(() => {
  seq += 1;
  publisher.event(sampleEvent(seq, { boot }));
  // Synchronously: a line that waited in the process would die with it.
  writeSync(1, `${boot} ${seq} ${Date.now()}\n`);
}, Number(period));
process.once("SIGTERM", () => {
  clearInterval(timer);
  void publisher.stop(5000).then(() => process.exit(publisher.stats().buffered === 0 ? 0 : 3));
});
