import mqtt, { type IPublishPacket, type MqttClient } from "mqtt";

export interface Received {
  readonly topic: string;
  readonly text: string;
  readonly packet: IPublishPacket;
}

export interface Subscriber {
  readonly client: MqttClient;
  readonly received: Received[];
  /** Those on a topic that ends so. */
  on(suffix: string): Received[];
  /** Resolves when `done` holds of what came; fails after `timeoutMs`. */
  until(done: (received: readonly Received[]) => boolean, timeoutMs?: number): Promise<void>;
  end(): Promise<void>;
}

/** Subscribes to `filter` with a plain mqtt.js client, and keeps everything that comes. */
export async function subscribe(
  url: string,
  filter: string,
  options: mqtt.IClientOptions = {},
): Promise<Subscriber> {
  const received: Received[] = [];
  const waiters = new Set<() => void>();
  const client = mqtt.connect(url, { protocolVersion: 5, reconnectPeriod: 100, ...options });
  client.on("message", (topic, payload, packet) => {
    received.push({ topic, text: payload.toString(), packet });
    for (const waiter of waiters) waiter();
  });
  await new Promise<void>((resolve, reject) => {
    client.once("connect", () => resolve());
    client.once("error", reject);
  });
  await client.subscribeAsync(filter, { qos: 1 });
  return {
    client,
    received,
    on: (suffix) => received.filter((message) => message.topic.endsWith(suffix)),
    until: (done, timeoutMs = 20_000) => waitFor(() => done(received), timeoutMs, waiters),
    end: () => client.endAsync(true),
  };
}

/** Resolves as soon as `done` holds; fails after `timeoutMs`. */
export function waitFor(
  done: () => boolean,
  timeoutMs = 20_000,
  waiters: Set<() => void> = new Set(),
): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      clearInterval(poll);
      waiters.delete(check);
    };
    const check = () => {
      if (!done()) return;
      stop();
      resolve();
    };
    const timer = setTimeout(() => {
      stop();
      reject(new Error(`not within ${timeoutMs} ms: ${done}`));
    }, timeoutMs);
    const poll = setInterval(check, 20);
    waiters.add(check);
    check();
  });
}

/** Of a subscriber whose session, and what comes meanwhile, the broker keeps. */
export const DURABLE: mqtt.IClientOptions = {
  clientId: "durable",
  clean: false,
  properties: { sessionExpiryInterval: 3600 },
};
