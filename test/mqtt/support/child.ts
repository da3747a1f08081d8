import { mqttConfig, publisherOf, sampleEvent } from "./samples.js";

/** A process to be killed: publishes one event a tenth of a second, until then. argv: URL of the broker. */
const url = process.argv[2] ?? "";
mqttConfig({ url });
const { publisher } = publisherOf({ url });
publisher.start();
let seq = 0;
setInterval(() => {
  seq += 1;
  publisher.event(sampleEvent(seq));
}, 100);
