import type { EmotionEvent } from "../events/schema.js";
import type { Connection } from "./connection.js";
import { type ConnectionFailure, localFailure } from "./failure.js";
import type { Outbox, QueuedEvent } from "./outbox.js";

export interface DeliveryOptions {
  readonly topic: string;
  /** Seconds an event is worth delivering. */
  readonly maxAge: number;
  /** Milliseconds from which on an event counts as late. */
  readonly lateAfter: number;
  /** Milliseconds of age within which the broker must have acknowledged an event that does not say `replayed`. */
  readonly freshFor: number;
  /** Events on their way at most. */
  readonly window: number;
  /** Milliseconds to wait after the broker refused an event that it may take later. */
  readonly refusedPause: number;
  /** The broker has acknowledged an event. */
  onDelivered(): void;
  /** The broker refused an event: for now, or for ever. */
  onRefused(failure: ConnectionFailure, forGood: boolean): void;
}

export interface Delivery {
  /** A connection is there: send what waits. */
  connected(connection: Connection): void;
  /** The connection is gone: what was on its way waits again. */
  disconnected(): void;
  /** Something may be there to be sent. */
  pump(): void;
  replayed(): number;
}

/** PUBACK reasons after which the same message would be refused again: topic or payload invalid, packet too large. */
const REFUSED_FOR_GOOD: ReadonlySet<number> = new Set([0x90, 0x95, 0x99]);

interface Sent {
  readonly at: number;
  /** It does not say `replayed`. */
  readonly fresh: boolean;
}

/**
 * Moves events from the outbox to the broker, in order, a bounded number of them on their way at a time.
 *
 * An event that is sent later than `lateAfter`, or again, says `replayed` and carries a message expiry. When the
 * oldest on its way has had no answer for that long, nothing more is sent until it has: what is written into a dead
 * connection could arrive much later, and claim to be fresh. For the same reason the connection is thrown away, with
 * all that the socket holds, when one that claims to be fresh has become `freshFor` old without an answer; from then on
 * every event says `replayed`, until the broker answers within `lateAfter` again.
 */
export function deliverFrom(
  outbox: Outbox,
  options: DeliveryOptions,
  now: () => number = () => performance.now(),
): Delivery {
  let connection: Connection | undefined;
  let onTheWay = new Map<QueuedEvent, Sent>();
  /**
   * Events on their way at most: 1 on a new connection, doubled by each acknowledgement. A broker or a link that
   * breaks under a load would otherwise break before its first acknowledgement came back, each time again.
   */
  let allowed = 1;
  let pausedUntil = 0;
  let replayed = 0;
  let slow = false;
  let staleTimer: NodeJS.Timeout | undefined;

  function oldestSentAt(): number | undefined {
    const first = onTheWay.values().next();
    return first.done ? undefined : first.value.at;
  }

  /** Gives the connection up, or looks again when the oldest fresh event on its way would be too old. */
  function watchAge(): void {
    clearTimeout(staleTimer);
    staleTimer = undefined;
    for (const [{ age }, { at, fresh }] of onTheWay) {
      if (!fresh) continue;
      const left = options.freshFor - (age + now() - at);
      if (left > 0) {
        // After the answers have been read that came while the process was held up.
        staleTimer = setTimeout(() => setImmediate(watchAge), left);
        staleTimer.unref();
      } else {
        slow = true;
        connection?.abort(localFailure("ack-late"));
      }
      return;
    }
  }

  function mayTake(current: Connection): boolean {
    // What is not an event (availability, state, discovery, answers) needs a few of the broker's places too.
    const window = Math.max(1, Math.min(allowed, options.window, current.receiveMaximum - 6));
    const oldest = oldestSentAt();
    return (
      onTheWay.size < window &&
      now() >= pausedUntil &&
      (oldest === undefined || now() - oldest < options.lateAfter)
    );
  }

  function send(current: Connection, queued: QueuedEvent): void {
    const late = slow || queued.retried || queued.age > options.lateAfter;
    if (late) replayed += 1;
    const event: EmotionEvent = late ? { ...queued.event, replayed: true } : queued.event;
    const messageExpiryInterval = Math.max(1, Math.ceil(options.maxAge - queued.age / 1000));
    const at = now();
    onTheWay.set(queued, { at, fresh: !late });
    if (!late && staleTimer === undefined) watchAge();
    current.publish(
      {
        topic: options.topic,
        payload: JSON.stringify(event),
        qos: 1,
        retain: false,
        ...(late ? { properties: { messageExpiryInterval } } : {}),
      },
      (delivery) => {
        if (current !== connection || !onTheWay.delete(queued)) return;
        if (delivery.outcome === "acknowledged") {
          outbox.acknowledge(queued);
          if (now() - at < options.lateAfter) slow = false;
          allowed = Math.min(allowed * 2, options.window);
          options.onDelivered();
        } else if (REFUSED_FOR_GOOD.has(delivery.reason)) {
          outbox.discard(queued);
          options.onRefused(delivery.failure, true);
        } else {
          // Kept, and tried again in order; answers to the others that are on their way no longer matter.
          onTheWay = new Map();
          outbox.release();
          pausedUntil = now() + options.refusedPause;
          options.onRefused(delivery.failure, false);
        }
        pump();
      },
    );
  }

  function pump(): void {
    outbox.prune();
    while (connection !== undefined && mayTake(connection)) {
      const queued = outbox.take();
      if (queued === undefined) return;
      send(connection, queued);
    }
  }

  return {
    connected(current) {
      connection = current;
      allowed = 1;
      pausedUntil = 0;
      pump();
    },
    disconnected() {
      connection = undefined;
      clearTimeout(staleTimer);
      staleTimer = undefined;
      onTheWay = new Map();
      outbox.release();
    },
    pump,
    replayed: () => replayed,
  };
}
