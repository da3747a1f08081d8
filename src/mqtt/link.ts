import { backoffDelay } from "../base/backoff.js";
import type { Logger } from "../base/logger.js";
import {
  type Connection,
  type ConnectionEvents,
  type ConnectionOptions,
  openConnection,
} from "./connection.js";
import { MqttCredentialError, type MqttCredentials } from "./credentials.js";
import { type ConnectionFailure, localFailure } from "./failure.js";
import type { BrokerLimits } from "./limits.js";
import { brokerTerms } from "./terms.js";
import type { MqttTiming } from "./timing.js";
import type { TroubleTeller } from "./trouble.js";

/** What is made of an attempt's end: another with backoff, another soon, or none. */
export type Again = "backoff" | "soon" | "never";

export interface LinkOptions extends Pick<ConnectionOptions, "url" | "clientId"> {
  /** Where the last will says `offline`. */
  readonly availability: string;
  /** Asked at each connection. */
  readonly credentials: () => MqttCredentials;
  readonly timing: MqttTiming;
  readonly log: Logger;
  /** The broker's name in the log. */
  readonly broker: string;
  readonly trouble: TroubleTeller;
  /** Events that wait, for the log. */
  readonly waiting: () => number;
  readonly again: (failure: ConnectionFailure) => Again;
}

export interface LinkEvents extends Pick<ConnectionEvents, "onMessage"> {
  onOpen(connection: Connection, limits: BrokerLimits): void;
  /** A connection has ended, or an attempt at one; what comes next is on its way already. */
  onClosed(): void;
}

/** The one connection to the broker, made again whenever it is gone. */
export interface BrokerLink {
  open(): void;
  readonly connection: Connection | undefined;
  /** An attempt is under way, or a connection is there. */
  busy(): boolean;
  /** Another attempt is due. */
  due(): boolean;
  /** The connection delivers: the next failure is the first again. */
  works(): void;
  /** The last connections did not last: what may be the reason should be left out. */
  flapping(): boolean;
  /** Makes no further attempt. */
  cease(): void;
  /** Ends an attempt that has not become a connection. */
  abort(): void;
}

/** From so many short-lived connections in a row on, each further one is no news. */
const FLAPPING = 3;
/** A wait for acknowledgements grows to so many times the first. */
const LONGEST_ACK_WAIT = 6;

export function brokerLink(options: LinkOptions, events: LinkEvents): BrokerLink {
  const { timing, log, broker, trouble } = options;
  const terms = brokerTerms(log, broker);
  let attempt: { abort(failure: ConnectionFailure): void } | undefined;
  let connection: Connection | undefined;
  let failures = 0;
  /** Acknowledgements are waited for twice as long after each time they did not come. */
  let ackTimeout = timing.ackTimeout;
  /** Connections in a row that were lost before they had lasted `stableAfter`. */
  let shortLived = 0;
  let openedAt = 0;
  let retry: NodeJS.Timeout | undefined;
  let stable: NodeJS.Timeout | undefined;

  const flapping = () => shortLived >= FLAPPING;

  function cease(): void {
    clearTimeout(retry);
    retry = undefined;
  }

  function open(): void {
    cease();
    let credentials: MqttCredentials;
    try {
      credentials = options.credentials();
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      closed({ code: error instanceof MqttCredentialError ? error.path : "credentials", message });
      return;
    }
    attempt = openConnection(
      {
        url: options.url,
        version: terms.version(),
        clientId: options.clientId,
        credentials,
        will: { topic: options.availability, payload: "offline", ...terms.will() },
        keepalive: timing.keepalive,
        connectTimeout: timing.connectTimeout,
        ackTimeout,
      },
      { onConnect: opened, onMessage: events.onMessage, onClose: closed },
    );
  }

  function opened(current: Connection, limits: BrokerLimits): void {
    connection = current;
    terms.accepted(limits);
    openedAt = performance.now();
    const details = { broker, mqtt: current.version === 5 ? "5" : "3.1.1", waiting: options.waiting() };
    log[flapping() ? "debug" : "info"](details, "connected to the broker");
    stable = setTimeout(() => {
      failures = 0;
      if (flapping()) log.info(details, "the connection to the broker lasts again");
      shortLived = 0;
      trouble.forget();
    }, timing.stableAfter);
    stable.unref();
    events.onOpen(current, limits);
  }

  function closed(reason: ConnectionFailure): void {
    const wasOpen = connection !== undefined;
    connection = undefined;
    attempt = undefined;
    clearTimeout(stable);
    failures += 1;
    if (wasOpen && performance.now() - openedAt < timing.stableAfter) shortLived += 1;
    const failure = reason.code === "closed" && flapping() ? localFailure("closed-soon") : reason;
    if (failure.code === "ack-timeout") {
      ackTimeout = Math.min(ackTimeout * 2, timing.ackTimeout * LONGEST_ACK_WAIT);
    }
    tryAgain(failure, wasOpen);
    events.onClosed();
  }

  function tryAgain(failure: ConnectionFailure, wasOpen: boolean): void {
    const again = options.again(failure);
    if (again === "soon") retry = setTimeout(open, timing.backoff.first);
    if (again !== "backoff") return;
    if (terms.refused(failure, wasOpen)) {
      open();
      return;
    }
    trouble.tell(wasOpen ? "connection to the broker lost" : "no connection to the broker", failure);
    retry = setTimeout(open, backoffDelay(failures, timing.backoff, Math.random()));
  }

  return {
    open,
    get connection() {
      return connection;
    },
    busy: () => attempt !== undefined,
    due: () => retry !== undefined,
    works() {
      failures = 0;
      ackTimeout = timing.ackTimeout;
    },
    flapping,
    cease,
    abort: () => attempt?.abort(localFailure("closed")),
  };
}
