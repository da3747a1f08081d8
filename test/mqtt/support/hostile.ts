import fc from "fast-check";
import mqttPacket, { type Packet } from "mqtt-packet";
import { waitFor } from "../../../scripts/test-support/subscriber.js";
import { createMqttPublisher } from "../../../src/mqtt/client.js";
import { falseBroker, wellBehaved } from "./false-broker.js";
import { FAST, mqttConfig, sampleEvent } from "./samples.js";

/** What a broker says that it should not, and when. */
export interface Attack {
  readonly bytes: Buffer;
  /** Instead of CONNACK; else while an event waits for its PUBACK. */
  readonly before: boolean;
  /** The event is acknowledged at the last moment. */
  readonly acknowledge: boolean;
  /** Bytes that go out at a time. */
  readonly piece: number;
}

const bit = fc.boolean();
const id = fc.constantFrom(0, 1, 2, 3, 4, 7, 300, 65_535);
const code = fc.constantFrom(0, 1, 5, 16, 24, 25, 0x80, 0x82, 0x84, 0x87, 0x8b, 0x95, 0x9a, 0x9b, 0xff);
const properties = fc.record(
  {
    receiveMaximum: fc.constantFrom(0, 1, 9, 65_535),
    maximumQoS: fc.constantFrom(0, 1, 2),
    retainAvailable: bit,
    maximumPacketSize: fc.constantFrom(0, 1, 40, 5000, 0xffff_ffff),
    topicAliasMaximum: fc.constantFrom(0, 5, 65_535),
    wildcardSubscriptionAvailable: bit,
    serverKeepAlive: fc.constantFrom(0, 1, 65_535),
    assignedClientIdentifier: fc.string({ maxLength: 8 }),
    reasonString: fc.string({ unit: "binary", maxLength: 20 }),
    authenticationMethod: fc.constantFrom("x", "SCRAM-SHA-1"),
    authenticationData: fc.uint8Array({ maxLength: 8 }).map((bytes) => Buffer.from(bytes)),
    serverReference: fc.string({ maxLength: 8 }),
    topicAlias: fc.constantFrom(0, 1, 65_535),
    responseTopic: fc.constantFrom("a", "#", "emotiond/kitchen/cmd/pause", ""),
    correlationData: fc.uint8Array({ maxLength: 8 }).map((bytes) => Buffer.from(bytes)),
    messageExpiryInterval: fc.constantFrom(0, 1, 0xffff_ffff),
    userProperties: fc.dictionary(fc.constantFrom("a", "__proto__", "name"), fc.string({ maxLength: 4 })),
  },
  { requiredKeys: [] },
);
const topic = fc.oneof(
  fc.constantFrom(
    "emotiond/kitchen/cmd/pause",
    "emotiond/kitchen/cmd/",
    "homeassistant/status",
    "",
    "#",
    "\u0000",
  ),
  fc.string({ unit: "binary", maxLength: 30 }),
);

/** Every type of packet, with what belongs into it and what does not; `generate` refuses some. */
const packet: fc.Arbitrary<object> = fc.oneof(
  fc.record({
    cmd: fc.constant("connack"),
    sessionPresent: bit,
    reasonCode: code,
    returnCode: code,
    properties,
  }),
  fc.record({
    cmd: fc.constant("publish"),
    topic,
    payload: fc.oneof(fc.constantFrom("", "{}"), fc.string({ size: "medium" })),
    qos: fc.constantFrom(0, 1, 2),
    dup: bit,
    retain: bit,
    messageId: id,
    properties,
  }),
  fc.record({
    cmd: fc.constantFrom("puback", "pubrec", "pubrel", "pubcomp"),
    messageId: id,
    reasonCode: code,
    properties,
  }),
  fc.record({
    cmd: fc.constantFrom("suback", "unsuback"),
    messageId: id,
    granted: fc.array(fc.constantFrom(0, 1, 2, 17, 0x80, 0x87), { maxLength: 3 }),
  }),
  fc.record({ cmd: fc.constantFrom("disconnect", "auth"), reasonCode: code, properties }),
  fc.record({ cmd: fc.constantFrom("pingreq", "pingresp") }),
  fc.record({
    cmd: fc.constant("subscribe"),
    messageId: id,
    subscriptions: fc.constant([{ topic: "#", qos: 1, nl: false, rap: false, rh: 0 }]),
  }),
  fc.record({ cmd: fc.constant("unsubscribe"), messageId: id, unsubscriptions: fc.constant(["#"]) }),
  fc.record({
    cmd: fc.constant("connect"),
    protocolId: fc.constant("MQTT"),
    protocolVersion: fc.constantFrom(4, 5),
    clientId: fc.constant("x"),
    clean: bit,
    keepalive: fc.constant(3),
  }),
);

function written(wanted: object, version: 4 | 5): Buffer {
  try {
    return mqttPacket.generate(wanted as Packet, { protocolVersion: version });
  } catch {
    // What cannot be written by the rules is written without them: a type, a length, some of the content.
    return Buffer.from([0x30, 5, 0, 3, 1, 2, 3]);
  }
}

/** A header that promises any length, and some bytes of it. */
const framed = fc
  .tuple(
    fc.nat(255),
    fc.oneof(
      fc.nat(200).map((length) => [length % 128, ...(length > 127 ? [1] : [])]),
      fc.constantFrom(
        [0xff, 0xff, 0xff, 0x7f],
        [0xff, 0xff, 0xff, 0xff, 1],
        [0x80, 0x80, 0x04],
        [0x80, 0x00],
      ),
    ),
    fc.uint8Array({ maxLength: 80 }),
  )
  .map(([type, length, rest]) => Buffer.from([type, ...length, ...rest]));

/** A broker's own limits would have events dropped, which is no loss by a bad packet. */
function setsLimits(bytes: Buffer): boolean {
  const parser = mqttPacket.parser({ protocolVersion: 5 });
  let limited = false;
  parser.on("error", () => {});
  parser.on("packet", (read: Packet) => {
    if (read.cmd !== "connack") return;
    limited ||= (read.properties?.maximumPacketSize ?? 5000) < 5000 || read.properties?.maximumQoS === 0;
  });
  try {
    parser.parse(bytes);
  } catch {
    // What it makes of this is the daemon's to find out.
  }
  return limited;
}

/** Attacks of every kind that comes to mind; `damage` changes some bytes of what it is given. */
export function attacks(
  version: 4 | 5,
  damage: (valid: Buffer) => fc.Arbitrary<Buffer>,
): fc.Arbitrary<Attack> {
  const wellFormed = packet.map((wanted) => written(wanted, version));
  const one = fc.oneof(
    wellFormed,
    wellFormed.chain((bytes) => damage(bytes)),
    wellFormed.chain((bytes) => fc.nat(bytes.length).map((end) => bytes.subarray(0, end))),
    framed,
    fc.uint8Array({ minLength: 1, maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
    fc.constant(Buffer.concat([Buffer.from([0x30, 0xf0, 0xa2, 0x04, 0, 1, 97, 0]), Buffer.alloc(70_000)])),
  );
  return fc
    .record({
      bytes: fc.array(one, { minLength: 1, maxLength: 3 }).map((parts) => Buffer.concat(parts)),
      before: bit,
      acknowledge: bit,
      piece: fc.constantFrom(1, 7, 100_000, 100_000),
    })
    .filter(({ bytes }) => !setsLimits(bytes));
}

export interface Victim {
  readonly version: 4 | 5;
  /** Resolves when the connection on which it was attacked has ended. */
  attack(attack: Attack): Promise<void>;
  /** Resolves when the broker has acknowledged everything; gives the events that it never did. */
  missing(): Promise<number[]>;
  readonly connections: () => number;
  stop(): Promise<void>;
}

/** Milliseconds after which the broker hangs up, if the client has not. */
const PATIENCE = 5;

/** Milliseconds within which the client has to be there again. */
const GIVE_UP = 30_000;

/** A publisher, and a broker that attacks it in the given version, on one connection after the other. */
export async function victim(spoken: 4 | 5): Promise<Victim> {
  /** All up to `upTo`, and these beyond: a number for each event of a long run would look like a leak. */
  const acknowledged = new Set<number>();
  let upTo = 0;
  let next: { readonly attack: Attack; readonly done: () => void } | undefined;
  let hangUp = () => {};
  let seq = 0;
  const broker = await falseBroker((packet, reply, socket, version) => {
    const strike = () => {
      if (next === undefined) return;
      const { attack, done } = next;
      next = undefined;
      socket.setNoDelay(true);
      socket.once("close", done);
      for (let at = 0; at < attack.bytes.length && at < 700; at += attack.piece) {
        socket.write(attack.bytes.subarray(at, at + attack.piece));
      }
      if (attack.bytes.length > 700) socket.write(attack.bytes.subarray(700));
      setTimeout(() => socket.destroy(), PATIENCE);
      struck = socket;
    };
    if (struck === socket) return;
    if (packet.cmd === "connect") {
      hangUp = () => socket.destroy();
      if (version !== spoken) {
        reply({ cmd: "connack", sessionPresent: false, reasonCode: 0x84, returnCode: 1 });
        socket.end();
        return;
      }
      if (next?.attack.before) return strike();
    }
    if (packet.cmd === "publish" && packet.topic.endsWith("/event")) {
      const { seq: got } = JSON.parse(packet.payload.toString()) as { seq: number };
      if (next === undefined || next.attack.acknowledge) {
        if (got > upTo) acknowledged.add(got);
        while (acknowledged.delete(upTo + 1)) upTo += 1;
        wellBehaved(packet, reply);
      }
      return strike();
    }
    wellBehaved(packet, reply);
  });
  let struck: object | undefined;
  const config = mqttConfig({ url: broker.url });
  const silent = () => {};
  const publisher = createMqttPublisher({
    config,
    device: "kitchen",
    credentials: () => ({}),
    log: { debug: silent, info: silent, warn: silent, error: silent },
    onCommand: () => Promise.resolve({ ok: true }),
    timing: { ...FAST, backoff: { first: 1, cap: 1 }, refusedPause: 1 },
  });
  publisher.start();
  return {
    version: spoken,
    attack: (attack) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error("nobody connects any more")), GIVE_UP);
        next = {
          attack,
          done() {
            clearTimeout(timer);
            resolve();
          },
        };
        if (publisher.stats().buffered < 20) {
          seq += 1;
          publisher.event(sampleEvent(seq));
        }
        if (attack.before) hangUp();
      }),
    async missing() {
      await waitFor(() => publisher.stats().buffered === 0);
      return Array.from({ length: seq - upTo }, (_, i) => upTo + i + 1).filter(
        (one) => !acknowledged.has(one),
      );
    },
    connections: broker.connections,
    async stop() {
      await publisher.stop(200);
      await broker.close();
    },
  };
}
