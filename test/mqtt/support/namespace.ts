import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { configFile, SAMPLE_PHOTOS } from "../../../scripts/test-support/daemon.js";
import { startMosquitto } from "../../../scripts/test-support/mosquitto.js";
import { subscribe } from "../../../scripts/test-support/subscriber.js";

/**
 * Runs the daemon inside a network namespace of its own, and listens in two ways: a capture sees every packet that
 * leaves, for which there is a way to everywhere that ends in nothing; and strace writes down each address that the
 * daemon, or a program that it starts, connects or sends to, whether it can be reached or not.
 */
const ip = (...args: string[]) => execFileSync("ip", args);
ip("link", "set", "lo", "up");
// A cable whose other end is in nobody's hands.
ip("link", "add", "away", "type", "veth", "peer", "name", "nowhere");
ip("addr", "add", "10.93.0.1/24", "dev", "away");
ip("link", "set", "away", "up");
ip("link", "set", "nowhere", "up");
ip("neigh", "add", "10.93.0.2", "lladdr", "02:00:00:00:00:02", "dev", "away");
ip("route", "add", "default", "via", "10.93.0.2");
const listener = spawn("python3", [join(import.meta.dirname, "capture.py")], {
  stdio: ["ignore", "pipe", "inherit"],
});
let heard = "";
listener.stdout.on("data", (text: Buffer) => {
  heard += text.toString();
});
while (!heard.includes("ready")) await sleep(20);
/** `address port` of every packet's target since the last call, but for those from `port`: they are answers. */
async function captured(port?: number): Promise<string[]> {
  await sleep(300);
  const lines = heard.split("\n").slice(0, -1);
  heard = "";
  const packets = lines.map((line) => line.split(" ")).filter((parts) => parts.length === 3);
  const asked = packets.filter(([, , source]) => source !== String(port));
  return [...new Set(asked.map(([address, target]) => `${address} ${target}`))].sort();
}
const traced = join(mkdtempSync(join(tmpdir(), "emotiond-trace-")), "trace");

/** `address port` of every IPv4 or IPv6 address in the trace. */
function addressesIn(trace: string): string[] {
  const found = new Set<string>();
  for (const line of trace.split("\n")) {
    for (const [, port, address] of line.matchAll(
      /sin_port=htons\((\d+)\), sin_addr=inet_addr\("([^"]+)"\)/g,
    )) {
      found.add(`${address} ${port}`);
    }
    for (const [, port, address] of line.matchAll(
      /sin6_port=htons\((\d+)\).*?inet_pton\(AF_INET6, "([^"]+)"/g,
    )) {
      found.add(`${address} ${port}`);
    }
  }
  return [...found].sort();
}

function trace(program: readonly string[]) {
  return spawn(
    "strace",
    ["-f", "-qq", "-e", "trace=connect,sendto,sendmsg,sendmmsg", "-o", traced, ...program],
    { stdio: ["ignore", "ignore", "inherit"], env: { ...process.env, NOTIFY_SOCKET: "" } },
  );
}

// Proof that the trap works: this does want to leave.
await once(
  trace([
    process.execPath,
    "-e",
    "require('net').connect(80, '192.0.2.1').on('error', () => {}); setTimeout(process.exit, 500)",
  ]),
  "exit",
);
const control = { traced: addressesIn(readFileSync(traced, "utf8")), captured: await captured() };

const main = new URL("../../../dist/main.js", import.meta.url).pathname;
const broker = await startMosquitto();
const app = await subscribe(broker.url, "emotiond/#");
await captured();
const config = configFile({
  device: "quiet",
  source: { type: "stills", uri: join(SAMPLE_PHOTOS, "sample*.jpg"), loop: true, framerate: 10 },
  mqtt: { url: broker.url },
  http: { listen: "none" },
});
const daemon = trace([process.execPath, main, "run", "--config", config]);
const exited = once(daemon, "exit");
await app.until((received) => received.filter((one) => one.topic.endsWith("/event")).length >= 5, 90_000);
await sleep(5000);
// strace passes no signal on: its child is the daemon.
const [pid] = readFileSync(`/proc/${daemon.pid}/task/${daemon.pid}/children`, "utf8").trim().split(" ");
process.kill(Number(pid), "SIGTERM");
const [code] = (await exited) as [number | null];
process.stdout.write(
  `${JSON.stringify({
    code,
    control,
    traced: addressesIn(readFileSync(traced, "utf8")),
    captured: await captured(broker.port),
    broker: `127.0.0.1 ${broker.port}`,
    events: app.on("/event").length,
  })}\n`,
);
listener.kill();
await app.end();
await broker.stop();
process.exit(0);
