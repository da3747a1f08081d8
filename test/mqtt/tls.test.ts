import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer as createTlsServer } from "node:tls";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type Mosquitto, startMosquitto } from "../../scripts/test-support/mosquitto.js";
import { waitFor } from "../../scripts/test-support/subscriber.js";
import { type Authority, authority, type Certificate, selfSigned } from "./support/certificates.js";
import { type Bench, publisherOf, sampleEvent } from "./support/samples.js";

let folder: string;
let ours: Authority;
let theirs: Authority;
const brokers: Mosquitto[] = [];
const benches: Bench[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "emotiond-tls-"));
  ours = authority(folder, "ours");
  theirs = authority(folder, "theirs");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(async () => {
  for (const bench of benches.splice(0)) await bench.publisher.stop(300);
  for (const broker of brokers.splice(0)) await broker.stop();
});

async function broker(certificate: Certificate, more: string[] = []): Promise<Mosquitto> {
  const one = await startMosquitto([
    `certfile ${certificate.cert}`,
    `keyfile ${certificate.key}`,
    "allow_anonymous true",
    ...more,
  ]);
  brokers.push(one);
  return one;
}

function publisher(port: number, settings: Record<string, unknown>, scheme = "mqtts"): Bench {
  const bench = publisherOf({ url: `${scheme}://localhost:${port}`, ...settings });
  benches.push(bench);
  bench.publisher.start();
  bench.publisher.event(sampleEvent(1));
  return bench;
}

async function delivers(bench: Bench): Promise<void> {
  await waitFor(() => bench.publisher.stats().buffered === 0);
}

async function refuses(bench: Bench, words: RegExp): Promise<void> {
  await waitFor(() => bench.lines.some((line) => line.level === "warn"));
  expect(bench.lines.find((line) => line.level === "warn")?.message).toMatch(words);
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(bench.publisher.stats()).toMatchObject({ connected: false, buffered: 1 });
  expect(bench.lines.filter((line) => line.level === "warn")).toHaveLength(1);
}

describe("TLS, with verification always on", () => {
  it("connects to a broker whose certificate the given authority signed", async () => {
    const { port } = await broker(ours.issue("localhost"));
    await delivers(publisher(port, { ca: ours.cert }));
  });

  it("refuses an expired certificate", async () => {
    const { port } = await broker(ours.issue("localhost", -1));
    await refuses(publisher(port, { ca: ours.cert }), /certificate has expired: renew it/);
  });

  it("refuses a self-signed certificate, and takes it once it is named in mqtt.ca", async () => {
    const certificate = selfSigned(folder, "self", "localhost");
    const { port } = await broker(certificate);
    await refuses(publisher(port, {}), /self-signed: put that certificate, or its authority's, in mqtt.ca/);
    await delivers(publisher(port, { ca: certificate.cert }));
  });

  it("refuses a certificate of an authority that it does not know", async () => {
    const { port } = await broker(theirs.issue("localhost"));
    await refuses(publisher(port, { ca: ours.cert }), /authority is not known here: put it in mqtt.ca/);
  });

  it("refuses a certificate for another host", async () => {
    const { port } = await broker(ours.issue("elsewhere.example"));
    await refuses(publisher(port, { ca: ours.cert }), /for another host name/);
  });

  it("shows a client certificate where one is asked for", async () => {
    const { port } = await broker(ours.issue("localhost"), [
      `cafile ${ours.cert}`,
      "require_certificate true",
      "use_identity_as_username true",
    ]);
    const { cert, key } = ours.issue("kitchen");
    await delivers(publisher(port, { ca: ours.cert, cert, key }));
    const without = publisher(port, { ca: ours.cert });
    await waitFor(() => without.lines.some((line) => line.level === "warn"));
    expect(without.publisher.stats().connected).toBe(false);
    const foreign = theirs.issue("kitchen");
    const wrong = publisher(port, { ca: ours.cert, cert: foreign.cert, key: foreign.key });
    await waitFor(() => wrong.lines.some((line) => line.level === "warn"));
    expect(wrong.publisher.stats().connected).toBe(false);
  });

  it("says that key and certificate do not belong together", async () => {
    const { port } = await broker(ours.issue("localhost"));
    const one = ours.issue("one");
    const bench = publisher(port, { ca: ours.cert, cert: one.cert, key: ours.issue("two").key });
    await refuses(bench, /mqtt.key is not the key of the certificate in mqtt.cert/);
  });

  it("says that a port does not speak TLS, and that one does", async () => {
    const plain = await startMosquitto();
    brokers.push(plain);
    await refuses(
      publisher(plain.port, { ca: ours.cert }),
      /is this its port for TLS|does not speak TLS|handshake failed/,
    );
    const { port } = await broker(ours.issue("localhost"));
    await refuses(publisher(port, {}, "mqtt"), /is this its port for TLS/);
  });

  it("sends the host's name (SNI), so that one address can serve several brokers", async () => {
    const certificate = ours.issue("localhost");
    const names: string[] = [];
    const server = createTlsServer({
      SNICallback: (name, done) => {
        names.push(name);
        done(null);
      },
      cert: readFileSync(certificate.cert),
      key: readFileSync(certificate.key),
    }).listen(0, "127.0.0.1");
    await waitFor(() => server.listening);
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    publisher(port, { ca: ours.cert });
    await waitFor(() => names.length > 0);
    expect(names[0]).toBe("localhost");
    server.close();
  });

  it("serves wss and ws the same way", async () => {
    const certificate = ours.issue("localhost");
    const { port } = await broker(certificate, ["protocol websockets"]);
    await delivers(publisher(port, { ca: ours.cert }, "wss"));
    await refuses(publisher(port, { ca: theirs.cert }, "wss"), /authority is not known here/);
    const plain = await startMosquitto(["protocol websockets", "allow_anonymous true"]);
    brokers.push(plain);
    await delivers(publisher(plain.port, {}, "ws"));
  });

  it("never goes on without TLS when the network strips it", async () => {
    const seen: Buffer[] = [];
    const server = createServer((socket) => {
      socket.on("data", (bytes) => seen.push(bytes));
      socket.on("error", () => {});
      setTimeout(() => socket.destroy(), 200);
    }).listen(0, "127.0.0.1");
    await waitFor(() => server.listening);
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const bench = publisher(port, { ca: ours.cert, username: "kitchen" });
    await waitFor(() => seen.length >= 2);
    // 0x16 is a TLS handshake; an MQTT CONNECT would begin with 0x10.
    expect(seen.every((bytes) => bytes[0] === 0x16)).toBe(true);
    expect(Buffer.concat(seen).includes("MQTT")).toBe(false);
    expect(bench.publisher.stats().connected).toBe(false);
    server.close();
    connect(port, "127.0.0.1").on("error", () => {});
  });
});
