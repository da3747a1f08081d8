import mqttPacket, { type Packet } from "mqtt-packet";
import { brokerFailure, type ConnectionFailure, localFailure, ruleBroken } from "./failure.js";

/** What the broker says, cut into packets of which each one may be handed on. */
export interface Incoming {
  /**
   * Takes the next bytes from the network. `packets` are whole ones, in order; `failure` is why the connection is to
   * be given up after them. Never throws, whatever the bytes are.
   */
  take(bytes: Buffer): { readonly packets: readonly Buffer[]; readonly failure: ConnectionFailure | null };
}

/** Bytes of the type and of the remaining length, at most. */
const LONGEST_HEADER = 5;

/**
 * Stands between the network and mqtt.js, which reads a packet of any size into memory (in MQTT 3.1.1 nothing bounds
 * it), throws out of its own loop on some that are cut short, and answers some that no broker may send. A client that
 * publishes and subscribes at QoS 1 at most is sent few kinds of packets: all others end the connection here.
 *
 * @param largest bytes of the largest packet that is taken
 * @param unsubscribing whether an UNSUBSCRIBE waits for its answer; asked when an UNSUBACK comes
 */
export function incomingPackets(
  version: 4 | 5,
  largest: number,
  unsubscribing: () => boolean = () => false,
): Incoming {
  const inspect = inspector(version, unsubscribing);
  let begun = false;
  let held: Buffer[] = [];
  let heldBytes = 0;
  /** Of the packet whose beginning is held; null while that is not known. */
  let size: number | null = null;

  /** All that is held, in one piece. */
  function whole(): Buffer {
    if (held.length !== 1) held = [Buffer.concat(held)];
    return held[0] ?? Buffer.alloc(0);
  }

  return {
    take(bytes) {
      const packets: Buffer[] = [];
      const [first] = bytes;
      if (first === undefined) return { packets, failure: null };
      // What is no broker may say a few bytes and wait: they need not make a packet for that to be seen.
      if (!begun && first >> 4 !== CONNACK) {
        return { packets, failure: malformed("it does not begin with CONNACK") };
      }
      begun = true;
      held.push(bytes);
      heldBytes += bytes.length;
      for (;;) {
        if (size === null) {
          if (heldBytes < 2) return { packets, failure: null };
          const header = packetSize(whole());
          if (header === "incomplete") return { packets, failure: null };
          if (header === "malformed") return { packets, failure: malformed("a length of five bytes") };
          if (header > largest) return { packets, failure: localFailure("packet-too-large") };
          size = header;
        }
        if (heldBytes < size) return { packets, failure: null };
        const all = whole();
        const packet = all.subarray(0, size);
        const failure = inspect(packet);
        if (failure !== null) return { packets, failure };
        packets.push(packet);
        held = all.length === size ? [] : [all.subarray(size)];
        heldBytes = all.length - size;
        size = null;
      }
    },
  };
}

/** Bytes of the packet that begins here, by its fixed header. */
function packetSize(bytes: Buffer): number | "incomplete" | "malformed" {
  let length = 0;
  for (let i = 1; i < LONGEST_HEADER; i++) {
    const byte = bytes[i];
    if (byte === undefined) return "incomplete";
    length += (byte & 0x7f) * 0x80 ** (i - 1);
    if ((byte & 0x80) === 0) return 1 + i + length;
  }
  return "malformed";
}

/** Looks at one packet after the other; gives why the connection is to be given up, or null. */
function inspector(
  version: 4 | 5,
  unsubscribing: () => boolean,
): (bytes: Buffer) => ConnectionFailure | null {
  const parser = mqttPacket.parser({ protocolVersion: version });
  let packets: Packet[] = [];
  let problems: Error[] = [];
  parser.on("packet", (packet: Packet) => packets.push(packet));
  parser.on("error", (problem: Error) => problems.push(problem));
  let accepted = false;

  function parse(bytes: Buffer): Packet | ConnectionFailure {
    packets = [];
    problems = [];
    try {
      parser.parse(bytes);
    } catch {
      // It reads beyond the end of some packets that are too short for what is in them.
      return malformed("it is cut short");
    }
    const [problem] = problems;
    if (problem !== undefined) return malformed(problem.message);
    return packets[0] ?? malformed("it is cut short");
  }

  return (bytes) => {
    const type = (bytes[0] ?? 0) >> 4;
    // Its reason may be one that the parser does not know.
    if (type === DISCONNECT && version === 5) return goodbye(bytes);
    const packet = parse(bytes);
    if (!("cmd" in packet)) return packet;
    const wrong = wrongProperty(packet);
    if (wrong !== null) return malformed(wrong);
    if (packet.cmd === "connack") {
      if (accepted) return ruleBroken("a second CONNACK");
      const reason = version === 5 ? packet.reasonCode : packet.returnCode;
      if (reason === undefined) return malformed("a CONNACK without a reason");
      if (reason !== 0) return brokerFailure(reason);
      accepted = true;
      return null;
    }
    if (packet.cmd === "unsuback" && unsubscribing()) {
      return isPacketId(packet.messageId) ? null : ruleBroken("UNSUBACK without a packet identifier");
    }
    return brokenRule(packet, bytes.length);
  };
}

const CONNACK = 2;
const DISCONNECT = 14;

function malformed(problem: string): ConnectionFailure {
  return { code: "protocol", message: `what it says is not MQTT: is mqtt.url right? (${problem})` };
}

function goodbye(bytes: Buffer): ConnectionFailure {
  // Type, length, reason: a broker's packet has one byte of length, or a reason string that makes it two or more.
  const header = bytes.findIndex((byte, i) => i > 0 && (byte & 0x80) === 0) + 1;
  const reason = bytes[header] ?? 0;
  return reason === 0 ? localFailure("closed") : brokerFailure(reason);
}

/** What a broker may not send to this client on a connection that it has accepted. */
function brokenRule(packet: Packet, bytes: number): ConnectionFailure | null {
  switch (packet.cmd) {
    case "publish":
      if (packet.qos === 0) return unaskedAlias(packet.properties);
      // Subscribed is at QoS 1; of messages at QoS 2 it could begin any number, each of which would have to be kept.
      if (packet.qos === 2) return ruleBroken("PUBLISH at QoS 2, subscribed at QoS 1");
      return isPacketId(packet.messageId)
        ? unaskedAlias(packet.properties)
        : ruleBroken("PUBLISH without a packet identifier");
    case "puback":
      return isPacketId(packet.messageId) ? null : ruleBroken("PUBACK without a packet identifier");
    case "suback":
      if (!isPacketId(packet.messageId)) return ruleBroken("SUBACK without a packet identifier");
      return packet.granted.length === 1 ? null : ruleBroken("SUBACK of another number of subscriptions");
    case "pingresp":
      return bytes === 2 ? null : ruleBroken("PINGRESP with a content");
    default:
      return ruleBroken(`${packet.cmd.toUpperCase()}, which it may not send`);
  }
}

function isPacketId(id: number | undefined): boolean {
  return id !== undefined && id >= 1 && id <= 65_535;
}

function unaskedAlias(properties: { readonly topicAlias?: number } | undefined): ConnectionFailure | null {
  return properties?.topicAlias === undefined ? null : ruleBroken("a topic alias, of which it may use none");
}

/** Properties of which a packet may have several. */
const REPEATABLE: ReadonlySet<string> = new Set(["userProperties", "subscriptionIdentifier"]);
/** Properties that may not be zero. */
const POSITIVE: ReadonlySet<string> = new Set(["receiveMaximum", "maximumPacketSize"]);

/** The parser gives -1 or null for what is cut short, and an array for what comes twice. */
function wrongProperty(packet: Packet): string | null {
  if (!("properties" in packet) || packet.properties === undefined) return null;
  for (const [name, value] of Object.entries(packet.properties) as [string, unknown][]) {
    if (REPEATABLE.has(name)) continue;
    if (Array.isArray(value)) return `${name} is there twice`;
    if (value === null || value === undefined || value === -1) return `${name} is cut short`;
    if (value === 0 && POSITIVE.has(name)) return `${name} is 0`;
    if (name === "maximumQoS" && value !== 0 && value !== 1) return "maximumQoS is neither 0 nor 1";
  }
  return null;
}
