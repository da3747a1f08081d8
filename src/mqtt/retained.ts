import type { Connection } from "./connection.js";
import type { ConnectionFailure } from "./failure.js";

/** A topic of which only the newest message counts: retained, at QoS 1, and said again on each connection. */
export interface RetainedTopic {
  /** Takes the newest payload; an older one that has not been sent is forgotten. */
  set(payload: string): void;
  /** Says the newest again. */
  renew(): void;
  /** False while the broker has not acknowledged the newest, on a connection that lives. */
  settled(): boolean;
  /** `told` is called once: when the broker has answered the first message, or at once where there is none. */
  connected(connection: Connection, told: () => void): void;
  disconnected(): void;
}

/** `onSettled` is called when the newest has been acknowledged. One message at a time is on its way. */
export function retainedTopic(
  topic: string,
  onRefused: (failure: ConnectionFailure) => void,
  onSettled: () => void = () => {},
): RetainedTopic {
  let connection: Connection | undefined;
  let newest: string | undefined;
  let due = false;
  let onTheWay = false;
  let firstAnswered: () => void = () => {};

  function send(): void {
    if (connection === undefined || newest === undefined || !due || onTheWay) return;
    const current = connection;
    due = false;
    onTheWay = true;
    current.publish({ topic, payload: newest, qos: 1, retain: true }, (delivery) => {
      if (current !== connection) return;
      onTheWay = false;
      firstAnswered();
      if (delivery.outcome === "refused") onRefused(delivery.failure);
      send();
      if (!onTheWay) onSettled();
    });
  }

  return {
    set(payload) {
      newest = payload;
      due = true;
      send();
    },
    renew() {
      due = true;
      send();
    },
    settled: () => !onTheWay,
    connected(current, told) {
      connection = current;
      onTheWay = false;
      due = true;
      firstAnswered = () => {
        firstAnswered = () => {};
        told();
      };
      send();
      if (!onTheWay) firstAnswered();
    },
    disconnected() {
      connection = undefined;
      onTheWay = false;
    },
  };
}
