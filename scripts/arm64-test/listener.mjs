import { spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";

/**
 * Runs in the machine, on the package's own Node: a broker on the loopback address, and `emotiond ARGS` beside it. Each
 * message is a JSON line on stdout; what emotiond prints goes to stderr.
 *
 *     node listener.mjs ARGS…
 */
const app = "/usr/lib/emotiond";
const { startEmbeddedBroker } = await import(`${app}/dist/mqtt/broker.js`);
const { connectAsync } = createRequire(`${app}/dist/main.js`)("mqtt");

const broker = await startEmbeddedBroker(1883);
const client = await connectAsync(broker.url);
client.on("message", (topic, payload) => {
  process.stdout.write(`${JSON.stringify({ topic, text: payload.toString("utf8") })}\n`);
});
await client.subscribeAsync("#", { qos: 1 });
const emotiond = spawn("emotiond", process.argv.slice(2), { stdio: ["ignore", 2, 2] });
const [code] = await once(emotiond, "exit");
await client.endAsync();
await broker.close();
process.exitCode = code ?? 1;
