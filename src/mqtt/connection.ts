import { Socket } from "node:net";
import type { Duplex, Writable } from "node:stream";
import mqtt, { type IClientOptions, type IPublishPacket, type MqttClient } from "mqtt";
import type { ISubackPacket } from "mqtt-packet";
import { type MqttCredentials, unlogged } from "./credentials.js";
import { type ConnectionFailure, failureOf, localFailure, refusal, sizeLimit } from "./failure.js";
import { fifo } from "./fifo.js";
import { incomingPackets } from "./incoming.js";
import { type BrokerLimits, brokerLimits, fits } from "./limits.js";
import { ownSocket } from "./own-socket.js";
import { inTurns } from "./turns.js";

export type MqttVersion = 4 | 5;

export interface Message {
  readonly topic: string;
  readonly payload: string | Buffer;
  readonly qos: 0 | 1;
  readonly retain: boolean;
  /** MQTT 5 alone; left out in 3.1.1. */
  readonly properties?: NonNullable<IPublishPacket["properties"]>;
}

/** What became of a message at QoS 1. */
export type Delivery =
  | { readonly outcome: "acknowledged" }
  /** The broker refused it, or has said beforehand that it would; the connection lives. */
  | { readonly outcome: "refused"; readonly reason: number; readonly failure: ConnectionFailure };

export interface Connection {
  readonly version: MqttVersion;
  /** Messages at QoS 1 that the broker takes before it has acknowledged one; what is beyond waits in here. */
  readonly receiveMaximum: number;
  /** Bytes of the largest packet that the broker takes. */
  readonly maximumPacketSize: number;
  /**
   * Sends a message. For QoS 1, `done` is called once when the broker has answered; never if the connection
   * breaks before: then `onClose` comes. For QoS 0 it is called only when the broker's limits forbid the message.
   * Where the broker takes QoS 0 alone, or retains nothing, the message is sent so; what was to be acknowledged counts
   * as acknowledged when it has been written.
   */
  publish(message: Message, done?: (delivery: Delivery) => void): void;
  /** Subscribes at QoS 1, without the broker's retained messages where the version can say so. */
  subscribe(filter: string, done: (refused: ConnectionFailure | null) => void): void;
  /** Ends subscriptions; what is under way of them still comes. */
  unsubscribe(filters: readonly string[]): void;
  /** More is waiting in the socket than a healthy connection holds. */
  congested(): boolean;
  /** DISCONNECT, and the end; resolves when the socket is closed, or after `timeoutMs`. */
  close(timeoutMs: number): Promise<void>;
  /** The end at once; what the socket still holds is thrown away. */
  abort(failure: ConnectionFailure): void;
}

export interface ConnectionOptions {
  readonly url: string;
  readonly version: MqttVersion;
  readonly clientId: string;
  readonly credentials: MqttCredentials;
  readonly will: {
    readonly topic: string;
    readonly payload: string;
    readonly qos: 0 | 1;
    readonly retain: boolean;
  } | null;
  /** Seconds. */
  readonly keepalive: number;
  /** Milliseconds for the network, TLS and CONNACK together. */
  readonly connectTimeout: number;
  /** Milliseconds without any acknowledgement while some are due, after which the connection is given up. */
  readonly ackTimeout: number;
}

export interface ConnectionEvents {
  onConnect(connection: Connection, limits: BrokerLimits): void;
  onMessage(topic: string, payload: Buffer, packet: IPublishPacket): void;
  /** Once, and last: the connection ended, or never came to be. */
  onClose(failure: ConnectionFailure): void;
}

/** Bytes. Commands are small; a broker that keeps to MQTT 5 does not even send what is larger. */
export const LARGEST_INCOMING = 64 * 1024;
/** MQTT 5's reason for a packet that is too large. */
const PACKET_TOO_LARGE = 0x95;
const CONGESTED_BYTES = 256 * 1024;
/** How often, within `ackTimeout`, it is looked whether an acknowledgement has come. */
const LOOKS = 10;

/**
 * One connection to the broker, from the first packet to the last: there is no reconnecting in here. A new client
 * of mqtt.js is made for each, with its reconnecting off, because on a reconnect mqtt.js sends its own stored copies
 * again: those could not say `replayed`, nor be told from what the outbox sends. Also its fixed reconnectPeriod
 * knows no backoff, and a refused CONNACK would end it for good (reconnectOnConnackError).
 */
export function openConnection(
  options: ConnectionOptions,
  events: ConnectionEvents,
): { abort(failure: ConnectionFailure): void } {
  let failure: ConnectionFailure | undefined;
  let reached = false;
  let connected = false;
  let ended = false;
  let acksDue = 0;
  /** Messages at QoS 1 for which the broker has no place before it has acknowledged another. */
  const waiting = fifo<() => void>();
  /** Looks since the last acknowledgement: not a clock, which goes on while the process is held up and reads none. */
  let looks = 0;
  let watch: NodeJS.Timeout | undefined;
  let whenEnded = () => {};
  let limits: BrokerLimits = brokerLimits(undefined);
  /** Below TLS or a web socket, if there is one. */
  let tcp: Socket | undefined;
  const take = (socket: Socket) => {
    tcp = socket;
    socket.once("connect", () => {
      reached = true;
    });
    // Whoever is above hears of it, but not of what comes once it has let go.
    socket.on("error", () => {});
  };
  const client = mqtt.connect(options.url, { ...clientOptions(options), ...ownSocket(options.url, take) });
  const turn = inTurns(() => ended);
  client.handleMessage = (_packet, done) => turn(done);
  let unsubacksDue = 0;
  const incoming = incomingPackets(options.version, LARGEST_INCOMING, () => unsubacksDue-- > 0);
  readThrough(client, (bytes, hand) => {
    if (ended) return;
    const { packets, failure: fault } = incoming.take(bytes);
    for (const packet of packets) {
      if (!ended) hand(packet);
    }
    if (fault !== null) abort(fault);
  });

  function finish(reason: ConnectionFailure): void {
    if (ended) return;
    ended = true;
    clearInterval(watch);
    // After a plain close the kernel goes on trying to deliver what the socket holds, and an event written before a
    // network failure would arrive long after it, saying that it is fresh. A reset throws it away.
    if (connected && tcp?.destroyed === false) tcp.resetAndDestroy();
    else tcp?.destroy();
    // Not at once: this may have been called out of a loop of mqtt.js' over what end() takes away from it. There is no
    // stream when it could not even be made.
    if (client.stream !== undefined) setImmediate(() => client.end(true));
    whenEnded();
    events.onClose(failure ?? reason);
  }

  function abort(reason: ConnectionFailure): void {
    failure ??= reason;
    finish(reason);
  }

  /** Calls back when mqtt.js and the caller are done with what they are at. */
  function later(call: () => void): void {
    setImmediate(() => {
      if (!ended) call();
    });
  }

  /** The message as the broker takes it; null if it takes none of this size. */
  function fitted(message: Message): Message | null {
    const { topic, payload, properties } = message;
    const qos = message.qos === 1 ? limits.maximumQos : 0;
    const retain = message.retain && limits.retain;
    const packet = {
      cmd: "publish" as const,
      topic,
      payload,
      qos,
      retain,
      dup: false,
      messageId: 1,
      ...(properties ? { properties } : {}),
    };
    return fits(packet, options.version, limits) ? { ...message, qos, retain } : null;
  }

  function publish(message: Message, done?: (delivery: Delivery) => void): void {
    const fitting = fitted(message);
    if (fitting === null) {
      const refused = sizeLimit(limits.maximumPacketSize);
      later(() => done?.({ outcome: "refused", reason: PACKET_TOO_LARGE, failure: refused }));
    } else if (fitting.qos === 1) {
      if (acksDue >= limits.receiveMaximum) waiting.push(() => send(fitting, done));
      else send(fitting, done);
    } else {
      send(fitting, () => {
        if (message.qos === 1) later(() => done?.({ outcome: "acknowledged" }));
      });
    }
  }

  function send({ topic, payload, qos, retain, properties }: Message, done?: (delivery: Delivery) => void) {
    if (qos === 1) {
      if (acksDue === 0) looks = 0;
      acksDue += 1;
    }
    client.publish(topic, payload, { qos, retain, ...(properties ? { properties } : {}) }, (error) => {
      if (ended) return;
      if (qos === 0) {
        if (!error) done?.({ outcome: "acknowledged" });
        return;
      }
      acksDue -= 1;
      looks = 0;
      waiting.shift()?.();
      const reason = error && "code" in error ? error.code : undefined;
      if (error === undefined || error === null) done?.({ outcome: "acknowledged" });
      else if (typeof reason === "number") done?.({ outcome: "refused", reason, failure: refusal(reason) });
      // mqtt.js has given the connection up: the event that says why follows at once, and comes before this.
      else later(() => abort(failureOf(error)));
    });
  }

  function giveUpIfSilent(): void {
    if (acksDue === 0) return;
    looks += 1;
    if (looks > LOOKS) abort(localFailure("ack-timeout"));
  }

  const connection = (): Connection => ({
    version: options.version,
    receiveMaximum: limits.receiveMaximum,
    maximumPacketSize: limits.maximumPacketSize,
    publish(message, done) {
      if (!ended) publish(message, done);
    },
    subscribe(filter, done) {
      if (ended) return;
      const asked = { qos: 1, rh: 2, rap: true, nl: false } as const;
      const packet = {
        cmd: "subscribe" as const,
        messageId: 1,
        subscriptions: [{ topic: filter, ...asked }],
      };
      if (!fits(packet, options.version, limits)) {
        later(() => done(sizeLimit(limits.maximumPacketSize)));
        return;
      }
      client.subscribe(filter, asked, (error) => {
        if (ended) return;
        const refused = error ? subscriptionRefusal(error) : null;
        if (error && refused === null) later(() => abort(failureOf(error)));
        else done(refused);
      });
    },
    unsubscribe(filters) {
      if (ended) return;
      // One packet each, which is smaller than the one that subscribed; without an answer the connection is about to
      // break, of which `onClose` tells.
      for (const filter of filters) {
        unsubacksDue += 1;
        client.unsubscribe(filter, () => {});
      }
    },
    congested: () => client.stream.writableLength > CONGESTED_BYTES,
    close(timeoutMs) {
      if (ended) return Promise.resolve();
      return new Promise((resolve) => {
        const timer = setTimeout(() => abort(localFailure("closed")), timeoutMs);
        whenEnded = () => {
          clearTimeout(timer);
          resolve();
        };
        // The last word counts more than the broker's places.
        for (let last = waiting.shift(); last !== undefined; last = waiting.shift()) last();
        // end(false) would wait for every acknowledgement, without a bound; DISCONNECT is written at once instead.
        client.outgoing = {};
        client.end(false);
      });
    },
    abort,
  });

  client.once("connect", ({ properties }) => {
    if (ended) return;
    connected = true;
    limits = brokerLimits(properties);
    watch = setInterval(giveUpIfSilent, Math.max(10, options.ackTimeout / LOOKS));
    watch.unref();
    events.onConnect(connection(), limits);
  });
  client.on("message", (topic, payload, packet) => {
    if (!ended) events.onMessage(topic, payload, packet);
  });
  // mqtt.js leaves the socket open after some errors (of its parser, for one).
  client.on("error", (error) => {
    const reason = failureOf(error);
    const cut = reason.code === "ECONNRESET" || reason.code === "EPIPE";
    if (cut && !connected) finish(localFailure("closed-early"));
    else if (reason.code === "connack-timeout" && !reached) finish(localFailure("unreachable"));
    else finish(reason);
  });
  client.on("close", () => finish(localFailure(connected ? "closed" : "closed-early")));
  try {
    client.connect();
    if (client.stream instanceof Socket && tcp === undefined) take(client.stream);
  } catch (error) {
    // TLS refuses a broken certificate or key here. The caller first gets its handle, then the news.
    process.nextTick(() => finish(failureOf(error)));
  }
  return { abort };
}

/** Makes `client` hear only what `read` hands on; what it says goes to its stream as ever. */
function readThrough(
  client: MqttClient,
  read: (bytes: Buffer, hand: (packet: Buffer) => void) => void,
): void {
  // There is no public way to its stream before it reads from it, which it does by pipe() alone.
  const inner = client as unknown as { streamBuilder: (client: MqttClient) => Duplex };
  const build = inner.streamBuilder;
  inner.streamBuilder = (self) => {
    const stream = build(self);
    const pipe = (reader: Writable) => {
      stream.on("data", (bytes: Buffer) => {
        read(bytes, (packet) => {
          if (!reader.write(packet)) stream.pause();
        });
      });
      reader.on("drain", () => stream.resume());
      return reader;
    };
    stream.pipe = pipe as typeof stream.pipe;
    return stream;
  };
}

/** From here on the codes of a SUBACK refuse. */
const REFUSED_FROM = 0x80;

/** What the SUBACK says, which mqtt.js puts beside its own error. */
function subscriptionRefusal(error: Error): ConnectionFailure | null {
  // There is none when the connection broke before it came.
  const packet = "packet" in error ? (error.packet as ISubackPacket | undefined) : undefined;
  const reason = packet?.granted.map(Number).find((code) => code >= REFUSED_FROM);
  return reason === undefined ? null : refusal(reason);
}

function clientOptions(options: ConnectionOptions): IClientOptions {
  const { credentials, will } = options;
  return {
    // Its own log has whole packets in it, the password among them, if someone sets DEBUG.
    log: () => {},
    protocolVersion: options.version,
    clientId: options.clientId,
    clean: true,
    manualConnect: true,
    reconnectPeriod: 0,
    resubscribe: false,
    queueQoSZero: false,
    keepalive: options.keepalive,
    connectTimeout: options.connectTimeout,
    rejectUnauthorized: true,
    ...(will === null ? {} : { will: { ...will, payload: Buffer.from(will.payload) } }),
    ...(options.version === 5
      ? { properties: { receiveMaximum: 16, maximumPacketSize: LARGEST_INCOMING } }
      : {}),
    ...unlogged(credentials),
  };
}
