import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { configFile, SAMPLE_PHOTOS } from "../../daemon/daemon.js";
import { startMosquitto } from "./mosquitto.js";
import { subscribe } from "./subscriber.js";

/**
 * Runs inside a network namespace of its own, with a loopback interface alone, the daemon under strace: each address
 * that it, or a program that it starts, connects or sends to, is written down, whether it can be reached or not.
 */
execFileSync("ip", ["link", "set", "lo", "up"]);
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
  trace([process.execPath, "-e", "require('http').get('http://example.com').on('error', () => {})"]),
  "exit",
);
const control = addressesIn(readFileSync(traced, "utf8"));

const main = new URL("../../../dist/main.js", import.meta.url).pathname;
const broker = await startMosquitto();
const app = await subscribe(broker.url, "emotiond/#");
const config = configFile({
  device: "quiet",
  source: { type: "stills", uri: join(SAMPLE_PHOTOS, "sample*.jpg"), loop: true, framerate: 10 },
  mqtt: { url: broker.url },
  http: { listen: "none" },
});
const daemon = trace([process.execPath, main, "run", "--config", config]);
const exited = once(daemon, "exit");
await app.until((received) => received.filter((one) => one.topic.endsWith("/event")).length >= 5, 90_000);
await new Promise((resolve) => setTimeout(resolve, 5000));
// strace passes no signal on: its child is the daemon.
const [pid] = readFileSync(`/proc/${daemon.pid}/task/${daemon.pid}/children`, "utf8").trim().split(" ");
process.kill(Number(pid), "SIGTERM");
const [code] = (await exited) as [number | null];
process.stdout.write(
  `${JSON.stringify({
    code,
    control,
    addresses: addressesIn(readFileSync(traced, "utf8")),
    broker: `127.0.0.1 ${broker.port}`,
    events: app.on("/event").length,
  })}\n`,
);
await app.end();
await broker.stop();
process.exit(0);
