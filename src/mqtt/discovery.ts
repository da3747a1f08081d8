import type { Connection } from "./connection.js";
import type { ConnectionFailure } from "./failure.js";
import { birthTopic, type DiscoverySubject, discoveryPayload, discoveryTopic } from "./home-assistant.js";
import { tokenBucket } from "./rate-limit.js";

export interface Discovery {
  /** The topic to be subscribed to; null when Home Assistant is turned off. */
  readonly birthTopic: string | null;
  /** Takes what has changed of the device in, and tells it at once. */
  change(changes: Partial<Pick<DiscoverySubject, "snapshots">>): void;
  /** `told` is called once, when the broker has answered what is said at a connection, or at once. */
  connected(connection: Connection, told: () => void): void;
  disconnected(): void;
  /** Takes a message that is no command; true if it was Home Assistant's. */
  message(topic: string, payload: Buffer): boolean;
}

/** Milliseconds within which devices answer a birth message, each at a moment of its own. */
const BIRTH_SPREAD = 3000;

/**
 * Tells Home Assistant of this device at each connection and each start of Home Assistant; when that is turned off,
 * takes an earlier telling back, so that the device disappears there.
 */
export function homeAssistantDiscovery(
  initial: DiscoverySubject,
  enabled: boolean,
  onBirth: () => void,
  onRefused: (failure: ConnectionFailure) => void,
): Discovery {
  const topic = discoveryTopic(initial);
  const birth = birthTopic(initial.prefix);
  // Home Assistant starts once in a while; whoever says so every second is not it.
  const bucket = tokenBucket(3, 0.1);
  let subject = initial;
  let connection: Connection | undefined;
  let timer: NodeJS.Timeout | undefined;
  let takenBack = false;

  function tell(payload: string, told: () => void = () => {}): void {
    connection?.publish({ topic, payload, qos: 1, retain: true }, (delivery) => {
      told();
      if (delivery.outcome === "acknowledged") takenBack = payload === "";
      // Without a right to the topic there was nothing to take back.
      else if (payload !== "") onRefused(delivery.failure);
    });
  }

  return {
    birthTopic: enabled ? birth : null,
    change(changes) {
      const before = JSON.stringify(discoveryPayload(subject));
      subject = { ...subject, ...changes };
      const now = JSON.stringify(discoveryPayload(subject));
      if (enabled && now !== before) tell(now);
    },
    connected(current, told) {
      connection = current;
      if (enabled) tell(JSON.stringify(discoveryPayload(subject)), told);
      else if (!takenBack) tell("", told);
      else told();
    },
    disconnected() {
      connection = undefined;
      clearTimeout(timer);
      timer = undefined;
    },
    message(received, payload) {
      if (!enabled || received !== birth) return false;
      if (payload.toString("utf8", 0, 16) !== "online" || timer !== undefined) return true;
      if (!bucket.take(performance.now())) return true;
      timer = setTimeout(() => {
        timer = undefined;
        tell(JSON.stringify(discoveryPayload(subject)));
        onBirth();
      }, Math.random() * BIRTH_SPREAD);
      timer.unref();
      return true;
    },
  };
}
