import { createHash } from "node:crypto";
import { createServer } from "node:net";
import mqttPacket, { type Packet } from "mqtt-packet";
import { afterEach, describe, expect, it } from "vitest";
import { waitFor } from "../../scripts/test-support/subscriber.js";
import { checkBroker } from "../../src/commands/check-broker.js";
import { defaultConfig } from "../../src/config/load.js";
import { incomingPackets } from "../../src/mqtt/incoming.js";
import { falseBroker, wellBehaved } from "./support/false-broker.js";
import { publisherOf, sampleEvent } from "./support/samples.js";

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const of = (packet: object) => mqttPacket.generate(packet as Packet, { protocolVersion: 5 });
const publish = (more: object) => of({ cmd: "publish", topic: "a", payload: "", qos: 0, ...more });
const TOO_LARGE = /it sent a packet of more than 64 KiB/;
const RULE = /it breaks a rule of MQTT/;
const NOT_MQTT = /what it says is not MQTT/;

/** What a broker may not send on a connection that it has accepted, and what the log says. */
const AFTER: readonly (readonly [string, Buffer, RegExp])[] = [
  [
    "an unasked AUTH",
    of({ cmd: "auth", reasonCode: 24, properties: { authenticationMethod: "x" } }),
    /AUTH|not MQTT/,
  ],
  ["a second CONNACK", of({ cmd: "connack", reasonCode: 0, sessionPresent: false }), /a second CONNACK/],
  ["a topic alias", publish({ properties: { topicAlias: 1 } }), /a topic alias|not MQTT/],
  ["a packet of 70,000 bytes", publish({ payload: Buffer.alloc(70_000) }), TOO_LARGE],
  ["the header of 200 MB", Buffer.from([0x30, 0x80, 0x84, 0xaf, 0x5f, 0, 1, 97]), TOO_LARGE],
  ["a length without end", Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff, 0xff]), NOT_MQTT],
  ["a reserved type", Buffer.from([0x00, 0x00]), NOT_MQTT],
  ["QoS 3", Buffer.from([0x36, 5, 0, 1, 97, 0, 1]), NOT_MQTT],
  ["QoS 2", publish({ qos: 2, messageId: 1 }), /QoS 2/],
  ["a PUBLISH without its identifier", Buffer.from([0x32, 3, 0, 1, 97]), /without a packet identifier/],
  ["a PUBLISH with identifier 0", Buffer.from([0x32, 6, 0, 1, 97, 0, 0, 0]), /without a packet identifier/],
  ["a PUBLISH whose topic is longer than it", Buffer.from([0x30, 3, 0, 99, 97]), NOT_MQTT],
  ["a PUBACK without content", Buffer.from([0x40, 0]), RULE],
  ["a PUBREC", Buffer.from([0x50, 2, 0, 1]), /PUBREC/],
  ["a PUBREL", Buffer.from([0x62, 2, 0, 1]), /PUBREL/],
  ["a PUBCOMP", Buffer.from([0x70, 2, 0, 1]), /PUBCOMP/],
  ["an UNSUBACK", Buffer.from([0xb0, 2, 0, 1]), /UNSUBACK|not MQTT/],
  ["a SUBACK without content", Buffer.from([0x90, 0]), /SUBACK|not MQTT/],
  ["a SUBSCRIBE", Buffer.from([0x82, 6, 0, 1, 0, 1, 97, 0]), /SUBSCRIBE|not MQTT/],
  ["a CONNECT", of({ cmd: "connect", clientId: "x", protocolVersion: 5 }), /CONNECT/],
  ["a PINGREQ", Buffer.from([0xc0, 0]), /PINGREQ/],
  ["a PINGRESP with a content", Buffer.from([0xd0, 1, 0]), /PINGRESP/],
];

describe.each([5, 4] as const)("spoken to in MQTT %d, a broker that sends", (spoken) => {
  // To MQTT 3.1.1 a topic alias is a payload like any other.
  const hostile = AFTER.filter(([name]) => spoken === 5 || name !== "a topic alias");
  it.each(hostile)("%s loses its connection, and no event", async (_, bytes, words) => {
    let sent = false;
    const acknowledged = new Set<number>();
    const broker = await falseBroker((packet, reply, socket, version) => {
      if (packet.cmd === "connect" && version !== spoken) {
        reply({ cmd: "connack", sessionPresent: false, reasonCode: 0x84 });
        socket.end();
      } else if (packet.cmd === "publish" && packet.topic.endsWith("/event")) {
        // None on the first connection is acknowledged, nor is anything else by then.
        if (sent) {
          acknowledged.add((JSON.parse(packet.payload.toString()) as { seq: number }).seq);
          wellBehaved(packet, reply);
          return;
        }
        sent = true;
        socket.write(bytes);
      } else if (packet.cmd === "connect" || sent) wellBehaved(packet, reply);
    });
    cleanups.push(() => broker.close());
    const bench = publisherOf({ url: broker.url }, { timing: { ackTimeout: 10_000, freshFor: 10_000 } });
    cleanups.push(() => bench.publisher.stop(200));
    bench.publisher.start();
    for (let seq = 1; seq <= 3; seq++) bench.publisher.event(sampleEvent(seq));
    await waitFor(() => bench.publisher.stats().buffered === 0, 5000);
    expect([...acknowledged]).toEqual([1, 2, 3]);
    const warned = bench.lines.filter(({ level }) => level === "warn").map(({ message }) => message);
    expect(warned).toHaveLength(1);
    expect(warned[0]).toMatch(words);
    expect(broker.versions.filter((version) => version === spoken)).toHaveLength(2);
  });

  it("many bytes of what is too large is not listened to for long", async () => {
    let written = 0;
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", (bytes) => {
        // Byte 9 of CONNECT behind a length of one byte, or two.
        const version = bytes[((bytes[1] ?? 0) & 0x80) === 0 ? 8 : 9];
        const accept = version === 5 ? [0x20, 3, 0, spoken === 5 ? 0 : 0x84, 0] : [0x20, 2, 0, 0];
        socket.write(Buffer.from(accept));
        if (version !== spoken) return void socket.end();
        socket.write(Buffer.from([0x30, 0x80, 0x84, 0xaf, 0x5f, 0, 1, 97, 0]));
        const more = () => {
          while (!socket.destroyed && written < 200e6) {
            written += 65_536;
            if (!socket.write(Buffer.alloc(65_536))) break;
          }
        };
        socket.on("drain", more);
        more();
      });
    }).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    cleanups.push(() => new Promise((resolve) => server.close(resolve)));
    const { port } = server.address() as { port: number };
    const bench = publisherOf(
      { url: `mqtt://127.0.0.1:${port}` },
      { timing: { backoff: { first: 60_000, cap: 60_000 } } },
    );
    cleanups.push(() => bench.publisher.stop(200));
    bench.publisher.start();
    await waitFor(() => bench.lines.some(({ message }) => TOO_LARGE.test(message)));
    // What the kernel's buffers take, and no more.
    expect(written).toBeLessThan(40e6);
  });
});

it("a web socket's frame of 200 MB is not listened to either", async () => {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", (request) => {
      const key = /sec-websocket-key: (.*)\r\n/i.exec(request.toString())?.[1] ?? "";
      const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n`,
      );
      // A binary frame, its length in eight bytes, of which 200 MB are announced.
      socket.write(Buffer.from([0x82, 127, 0, 0, 0, 0, 0x0b, 0xeb, 0xc2, 0x00, 0x20, 3, 0, 0, 0]));
    });
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  cleanups.push(() => new Promise((resolve) => server.close(resolve)));
  const { port } = server.address() as { port: number };
  const bench = publisherOf({ url: `ws://127.0.0.1:${port}` }, { timing: { connectTimeout: 5000 } });
  cleanups.push(() => bench.publisher.stop(200));
  bench.publisher.start();
  await waitFor(() => bench.lines.some(({ level }) => level === "warn"), 3000);
  expect(bench.lines.find(({ level }) => level === "warn")?.message).toMatch(/frame of more than 1 MiB/);
});

describe("what the broker says when it refuses or ends a connection", () => {
  const CODES = [
    ...[0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8b, 0x8c, 0x8d, 0x8e, 0x8f],
    ...[0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2],
  ];
  const reasonOf = (version: 4 | 5, ...packets: number[][]) => {
    const incoming = incomingPackets(version, 65_536);
    return packets.map((bytes) => incoming.take(Buffer.from(bytes)).failure).at(-1)?.message ?? "";
  };

  it.each(CODES)("is words with what to do, for MQTT 5's reason code %d", (code) => {
    for (const words of [
      reasonOf(5, [0x20, 3, 0, code, 0]),
      reasonOf(5, [0x20, 3, 0, 0, 0], [0xe0, 1, code]),
      reasonOf(5, [0x20, 3, 0, 0, 0], [0xe0, 2, code, 0]),
    ]) {
      expect(words).toMatch(/^(it|this|a|another|its) [a-z].*(: |\?)/);
      expect(words).not.toMatch(/0x|reason code|not MQTT/);
    }
  });

  it.each([1, 2, 3, 4, 5])("is words with what to do, for MQTT 3.1.1's return code %d", (code) => {
    const words = reasonOf(4, [0x20, 2, 0, code]);
    expect(words).toMatch(/: |\?/);
    expect(words).not.toMatch(/0x|reason code|not MQTT/);
  });

  it("says so of a code that MQTT does not know", () => {
    expect(reasonOf(5, [0x20, 3, 0, 0xf0, 0])).toMatch(/a reason that MQTT does not know \(0xf0\): see/);
    expect(reasonOf(4, [0x20, 2, 0, 77])).toMatch(/a reason that MQTT does not know/);
  });

  it.each([
    [0x86, /^it refuses the user name or password: check mqtt.username/],
    [0x8a, /^it has banned this client: ask who runs the broker/],
    [0x97, /^a quota is used up/],
  ])("is told by the daemon and by doctor's check (%d)", async (code, words) => {
    const broker = await falseBroker((packet, reply, socket) => {
      if (packet.cmd !== "connect") return;
      reply({ cmd: "connack", sessionPresent: false, reasonCode: code, returnCode: 5 });
      socket.end();
    });
    cleanups.push(() => broker.close());
    const bench = publisherOf({ url: broker.url });
    cleanups.push(() => bench.publisher.stop(200));
    bench.publisher.start();
    await waitFor(() => bench.lines.some(({ level }) => level === "warn"));
    const said = bench.lines.find(({ level }) => level === "warn")?.message ?? "";
    expect(said.replace("no connection to the broker: ", "")).toMatch(words);
    const finding = await checkBroker({ ...defaultConfig().mqtt, url: broker.url }, undefined);
    expect(finding.verdict).toBe("fail");
    expect(finding.text.replace(/^127.0.0.1:\d+: /, "")).toMatch(words);
  });

  it("does not end doctor's check either, whatever it sends", async () => {
    for (const [name, bytes] of AFTER) {
      const broker = await falseBroker((packet, _, socket) => {
        if (packet.cmd === "connect") socket.write(bytes);
      });
      const finding = await checkBroker({ ...defaultConfig().mqtt, url: broker.url }, undefined);
      // The first CONNACK, there, lets it in.
      expect([name, finding.verdict]).toEqual([name, name === "a second CONNACK" ? "ok" : "fail"]);
      await broker.close();
    }
  });
});
