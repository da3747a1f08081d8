import type { Health, State } from "../events/schema.js";
import type { Connection } from "./connection.js";
import type { ConnectionFailure } from "./failure.js";
import { retainedTopic } from "./retained.js";
import type { Topics } from "./topics.js";

/** What whoever connects later reads of this device: its retained topics, and whether it is there at all. */
export interface Presence {
  state(newest: State): void;
  /** At QoS 0; one that finds the connection busy waits for the next. */
  health(newest: Health): void;
  paused(now: boolean): void;
  /** Says again what may have been missed. */
  renew(): void;
  /** False while the broker has not acknowledged the newest state. */
  settled(): boolean;
  /**
   * Says what is retained, and `online` when the broker has taken it all: whoever hears `online` reads nothing old as
   * the present, also where a broker does not keep the order. `besides` says what else comes before, and calls back.
   */
  introduce(connection: Connection, besides: (told: () => void) => void): void;
  disconnected(): void;
  /** `offline`, after which nothing says `online` on this connection. `said` is called when the broker has answered. */
  leave(connection: Connection, said: () => void): void;
}

export function presence(
  topics: Topics,
  tell: (what: string, failure: ConnectionFailure) => void,
  onSettled: () => void,
): Presence {
  const refused = (what: string) => (failure: ConnectionFailure) =>
    tell(`the broker refuses ${what}`, failure);
  const state = retainedTopic(topics.state, refused("the state"), onSettled);
  const paused = retainedTopic(topics.paused, refused("whether it is paused"));
  const retained = [state, paused];
  let connection: Connection | undefined;
  let newestHealth: Health | undefined;
  let toldPaused = false;
  let leaving = false;
  paused.set("false");

  function sendHealth(current: Connection, health: Health): void {
    const message = { topic: topics.health, payload: JSON.stringify(health), qos: 0, retain: true } as const;
    current.publish(message, (delivery) => {
      if (delivery.outcome === "refused") tell("the broker refuses health", delivery.failure);
    });
  }

  function sayOnline(current: Connection): void {
    const message = { topic: topics.availability, payload: "online", qos: 1, retain: true } as const;
    current.publish(message, (delivery) => {
      if (delivery.outcome === "refused") tell("the broker refuses availability", delivery.failure);
    });
  }

  return {
    state: (newest) => state.set(JSON.stringify(newest)),
    health(newest) {
      newestHealth = newest;
      if (connection !== undefined && !connection.congested()) sendHealth(connection, newest);
    },
    paused(now) {
      if (now !== toldPaused) paused.set(String(now));
      toldPaused = now;
    },
    renew() {
      for (const topic of retained) topic.renew();
    },
    settled: state.settled,
    introduce(current, besides) {
      connection = current;
      leaving = false;
      let due = retained.length + 1;
      const told = () => {
        due -= 1;
        if (due === 0 && connection === current && !leaving) sayOnline(current);
      };
      if (newestHealth !== undefined) sendHealth(current, newestHealth);
      for (const topic of retained) topic.connected(current, told);
      besides(told);
    },
    disconnected() {
      connection = undefined;
      for (const topic of retained) topic.disconnected();
    },
    leave(current, said) {
      leaving = true;
      current.publish({ topic: topics.availability, payload: "offline", qos: 1, retain: true }, said);
    },
  };
}
