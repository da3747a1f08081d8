import mqttPacket, { type IConnackPacket, type Packet } from "mqtt-packet";

/** What the broker says of itself when it accepts a connection; MQTT 3.1.1 has no words for it. */
export interface BrokerLimits {
  /** Messages at QoS 1 that it takes before it has acknowledged one. */
  readonly receiveMaximum: number;
  /** Bytes of the largest packet that it takes. */
  readonly maximumPacketSize: number;
  readonly maximumQos: 0 | 1;
  readonly retain: boolean;
  readonly wildcards: boolean;
}

/** The largest packet that MQTT can write down. */
const LARGEST_PACKET = 268_435_460;

/** The limits in a CONNACK; what it does not tell is unlimited. */
export function brokerLimits(told: IConnackPacket["properties"]): BrokerLimits {
  return {
    receiveMaximum: told?.receiveMaximum ?? 65_535,
    maximumPacketSize: told?.maximumPacketSize ?? LARGEST_PACKET,
    maximumQos: told?.maximumQoS === 0 ? 0 : 1,
    retain: told?.retainAvailable ?? true,
    wildcards: told?.wildcardSubscriptionAvailable ?? true,
  };
}

/** Whether the broker takes a packet of this size. */
export function fits(packet: Packet, version: 4 | 5, limits: BrokerLimits): boolean {
  if (limits.maximumPacketSize >= LARGEST_PACKET) return true;
  return mqttPacket.generate(packet, { protocolVersion: version }).length <= limits.maximumPacketSize;
}
