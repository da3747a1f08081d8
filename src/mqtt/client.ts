import { type BackoffLimits, backoffDelay } from "../base/backoff.js";
import type { Logger } from "../base/logger.js";
import { VERSION } from "../base/version.js";
import type { MqttConfig } from "../config/schema.js";
import type { Health } from "../events/schema.js";
import { COMMAND_LIMITS, commandReceiver } from "./answering.js";
import { commandSubscription } from "./command-subscription.js";
import { type Connection, type MqttVersion, openConnection } from "./connection.js";
import { createOutbox } from "./create-outbox.js";
import { MqttCredentialError, type MqttCredentials } from "./credentials.js";
import { deliverFrom } from "./delivery.js";
import { homeAssistantDiscovery } from "./discovery.js";
import {
  type ConnectionFailure,
  isLimit,
  limitOf,
  localFailure,
  refusesVersion,
  refusesWill,
  WHOLE_WILL,
  type Will,
} from "./failure.js";
import type { BrokerLimits } from "./limits.js";
import type { Outbox } from "./outbox.js";
import type { CommandHandler, Publisher } from "./publisher.js";
import { retainedTopic } from "./retained.js";
import { clientIdOf, topicsOf } from "./topics.js";
import { troubleTeller } from "./trouble.js";

/** Times in milliseconds, but for `keepalive`, which is in MQTT's seconds. */
export interface MqttTiming {
  readonly connectTimeout: number;
  readonly ackTimeout: number;
  /** An event sent later than this after it was made says `replayed`. */
  readonly lateAfter: number;
  /** An event that does not say `replayed` is acknowledged at this age, or its connection is thrown away. */
  readonly freshFor: number;
  /** Events on their way at most. */
  readonly window: number;
  readonly refusedPause: number;
  /** A connection that lasts this long, or delivers an event, ends the backoff. */
  readonly stableAfter: number;
  readonly backoff: BackoffLimits;
  readonly keepalive: number;
}

export const MQTT_TIMING: MqttTiming = {
  connectTimeout: 15_000,
  ackTimeout: 5_000,
  lateAfter: 1000,
  freshFor: 2500,
  window: 32,
  refusedPause: 30_000,
  stableAfter: 10_000,
  backoff: { first: 500, cap: 30_000 },
  keepalive: 30,
};

export interface MqttPublisherOptions {
  readonly config: MqttConfig;
  readonly device: string;
  /** Asked at each connection; `readMqttCredentials` is what it usually calls. */
  readonly credentials: () => MqttCredentials;
  readonly log: Logger;
  readonly onCommand: CommandHandler;
  /** Default: what the configuration asks for. */
  readonly outbox?: Outbox;
  /** Whether snapshots are allowed, so that Home Assistant shows them; default false. */
  readonly snapshots?: boolean;
  /** Where $STATE_DIRECTORY is looked up; default: the process's. */
  readonly environment?: NodeJS.ProcessEnv;
  readonly timing?: Partial<MqttTiming>;
}

/** The publisher with its beginning: nothing is connected before `start`. */
export interface MqttPublisher extends Publisher {
  /** Connects now, and again for ever whenever there is no connection. Returns at once. */
  start(): void;
  /** Takes in whether snapshots are allowed from now on; Home Assistant hears of it at once. */
  allowSnapshots(allowed: boolean): void;
}

/** From so many short-lived connections in a row on, each further one is no news. */
const FLAPPING = 3;

/** What is kept back of the time to stop, for `offline` and DISCONNECT. */
const GOODBYE_MS = 500;

/**
 * The client of the daemon's broker. It never waits for the broker, and never gives it up: whatever goes wrong is
 * logged once, with its cure, and tried again with backoff.
 */
export function createMqttPublisher(options: MqttPublisherOptions): MqttPublisher {
  const { config, device, log } = options;
  const timing: MqttTiming = { ...MQTT_TIMING, ...options.timing };
  const topics = topicsOf(config.baseTopic, device);
  const broker = new URL(config.url).host;
  const trouble = troubleTeller(log, broker);
  /** What the broker does not take by its own words is no news at the next connection either. */
  const limitsTold = troubleTeller(log, broker);
  const tell = (what: string, failure: ConnectionFailure) =>
    (isLimit(failure) ? limitsTold : trouble).tell(what, failure);
  const outbox = options.outbox ?? createOutbox(config.outbox, options.environment ?? process.env, log);
  const receive = commandReceiver(
    topics,
    options.onCommand,
    log,
    (command) => {
      if (command.name === "pause" || command.name === "resume") {
        setPaused(command.name === "pause");
      }
    },
    COMMAND_LIMITS,
    config.homeAssistant.prefix,
  );
  const commands = commandSubscription(topics, log, (refused) =>
    tell("the broker refuses the subscription to commands", refused),
  );
  const discovery = homeAssistantDiscovery(
    {
      prefix: config.homeAssistant.prefix,
      baseTopic: config.baseTopic,
      device,
      topics,
      version: VERSION,
      snapshots: options.snapshots ?? false,
      commands: config.commands,
    },
    config.homeAssistant.enabled,
    () => {
      state.renew();
      paused.renew();
    },
    (failure) =>
      tell(
        "the broker refuses Home Assistant's discovery (mqtt.homeAssistant.enabled: false turns it off)",
        failure,
      ),
  );
  const state = retainedTopic(
    topics.state,
    (failure) => tell("the broker refuses the state", failure),
    () => notify(),
  );
  const paused = retainedTopic(topics.paused, (failure) =>
    tell("the broker refuses whether it is paused", failure),
  );
  const retained = [state, paused];
  /** Of the topic that is told at QoS 0. */
  let newestHealth: Health | undefined;
  let toldPaused = false;
  paused.set("false");
  const setPaused = (now: boolean) => {
    if (now !== toldPaused) paused.set(String(now));
    toldPaused = now;
  };

  /** `stopping`: what waits is still sent; `leaving`: only the goodbye is. */
  let phase: "idle" | "running" | "stopping" | "leaving" | "stopped" = "idle";
  let attempt: { abort(failure: ConnectionFailure): void } | undefined;
  let connection: Connection | undefined;
  let version: MqttVersion = 5;
  /** False while 3.1.1 is only a guess: what hung up on MQTT 5 may have been no broker. */
  let versionProven = false;
  let failures = 0;
  /** As much of the last will as the broker takes. */
  let will: Will = WHOLE_WILL;
  /** Acknowledgements are waited for twice as long after each time they did not come. */
  let ackTimeout = timing.ackTimeout;
  /** Connections in a row that were lost before they had lasted `stableAfter`. */
  let shortLived = 0;
  let openedAt = 0;
  let retry: NodeJS.Timeout | undefined;
  let stable: NodeJS.Timeout | undefined;
  let tick: NodeJS.Timeout | undefined;
  /** What `stop` waits for: called whenever the connection or the outbox may have changed. */
  let notify = () => {};

  const delivery = deliverFrom(outbox, {
    topic: topics.event,
    maxAge: config.outbox.maxAge,
    lateAfter: timing.lateAfter,
    freshFor: timing.freshFor,
    window: timing.window,
    refusedPause: timing.refusedPause,
    onDelivered() {
      failures = 0;
      ackTimeout = timing.ackTimeout;
      notify();
    },
    onRefused(failure, forGood) {
      tell(
        forGood
          ? "the broker refused an event for good; it is dropped"
          : "the broker refuses events; they are kept",
        failure,
      );
    },
  });

  function open(): void {
    clearTimeout(retry);
    retry = undefined;
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
        url: config.url,
        version,
        clientId: clientIdOf(config.baseTopic, device),
        credentials,
        will: { topic: topics.availability, payload: "offline", ...will },
        keepalive: timing.keepalive,
        connectTimeout: timing.connectTimeout,
        ackTimeout,
      },
      {
        onConnect: opened,
        onMessage(topic, payload, packet) {
          if (connection === undefined || phase !== "running") return;
          if (discovery.message(topic, payload) || !config.commands) return;
          commands.message(topic);
          receive(connection, topic, payload, packet);
        },
        onClose: closed,
      },
    );
  }

  /** Says once what the broker cannot do, and what that costs. */
  function tellLimits(limits: BrokerLimits): void {
    if (limits.maximumQos === 0) {
      tell(
        "the broker acknowledges nothing, so that an event which is on its way when a connection breaks is lost",
        limitOf("qos", "its Maximum QoS is 0 (in mosquitto: max_qos)"),
      );
    }
    if (!limits.retain) {
      tell(
        "the broker keeps nothing for those who come later: availability, state, health and Home Assistant's discovery reach only who is there",
        limitOf("retain", "it has no retained messages (in mosquitto: retain_available)"),
      );
    }
  }

  function opened(current: Connection, limits: BrokerLimits): void {
    connection = current;
    // What it could not do it may do by now: the next will is tried whole, if this CONNACK says that it can.
    will = { qos: limits.maximumQos === 1 ? 1 : will.qos, retain: limits.retain || will.retain };
    tellLimits(limits);
    openedAt = performance.now();
    if (version === 5) versionProven = true;
    const waiting = outbox.size();
    const details = { broker, mqtt: current.version === 5 ? "5" : "3.1.1", waiting };
    if (shortLived < FLAPPING) log.info(details, "connected to the broker");
    else log.debug(details, "connected to the broker");
    stable = setTimeout(() => {
      failures = 0;
      if (shortLived >= FLAPPING) log.info(details, "the connection to the broker lasts again");
      shortLived = 0;
      trouble.forget();
    }, timing.stableAfter);
    stable.unref();
    tick = setInterval(delivery.pump, Math.max(10, timing.lateAfter / 4));
    tick.unref();
    if (config.commands) commands.connected(current, limits.wildcards);
    // Events before the state: even a broker that hangs up after three messages then gets one event a connection.
    delivery.connected(current);
    introduce(current);
    if (discovery.birthTopic !== null) {
      current.subscribe(discovery.birthTopic, (refused) => {
        if (refused === null) return;
        tell("the broker refuses the subscription to Home Assistant's status", refused);
      });
    }
    notify();
  }

  /**
   * Says what is retained, and `online` when the broker has taken it all: whoever hears `online` reads nothing old as
   * the present, also where a broker does not keep the order.
   */
  function introduce(current: Connection): void {
    let due = retained.length + 1;
    const told = () => {
      due -= 1;
      if (due > 0 || connection !== current || phase === "leaving") return;
      current.publish({ topic: topics.availability, payload: "online", qos: 1, retain: true }, (result) => {
        if (result.outcome === "refused") tell("the broker refuses availability", result.failure);
      });
    };
    if (newestHealth !== undefined) sendHealth(current, newestHealth);
    for (const topic of retained) topic.connected(current, told);
    // The largest packet by far, and on a topic outside baseTopic: a broker that hangs up on one of a size that MQTT
    // 3.1.1 has no words for, or on a topic that it forbids, would do so at each connection.
    if (shortLived < FLAPPING) {
      discovery.connected(current, told);
      return;
    }
    if (discovery.birthTopic !== null) {
      trouble.tell("Home Assistant's discovery is left out of this connection", localFailure("closed-soon"));
    }
    told();
  }

  function sendHealth(current: Connection, health: Health): void {
    current.publish(
      { topic: topics.health, payload: JSON.stringify(health), qos: 0, retain: true },
      (delivery) => {
        if (delivery.outcome === "refused") tell("the broker refuses health", delivery.failure);
      },
    );
  }

  function closed(reason: ConnectionFailure): void {
    const wasOpen = connection !== undefined;
    connection = undefined;
    attempt = undefined;
    clearTimeout(stable);
    clearInterval(tick);
    delivery.disconnected();
    discovery.disconnected();
    commands.disconnected();
    for (const topic of retained) topic.disconnected();
    failures += 1;
    if (wasOpen && performance.now() - openedAt < timing.stableAfter) shortLived += 1;
    const flapping = reason.code === "closed" && shortLived >= FLAPPING;
    const failure = flapping ? localFailure("closed-soon") : reason;
    if (failure.code === "ack-timeout") ackTimeout = Math.min(ackTimeout * 2, timing.ackTimeout * 6);
    if (phase === "running") {
      if (fallBack(failure, wasOpen)) {
        open();
      } else {
        trouble.tell(wasOpen ? "connection to the broker lost" : "no connection to the broker", failure);
        retry = setTimeout(open, backoffDelay(failures, timing.backoff, Math.random()));
      }
    } else if (phase === "stopping" && outbox.size() > 0 && failure.code !== "ECONNREFUSED") {
      // `stop` ends it when its time is up.
      retry = setTimeout(open, timing.backoff.first);
    }
    notify();
  }

  /** Goes to the other MQTT version where the broker's behaviour asks for it; true: try that one at once. */
  function fallBack(failure: ConnectionFailure, wasOpen: boolean): boolean {
    if (wasOpen) {
      if (!versionProven) version = 5;
      return false;
    }
    if (refusesVersion(failure)) {
      const refused = version;
      version = version === 5 ? 4 : 5;
      // Told by the broker itself, and so for good until it says otherwise.
      versionProven = refused === 5;
      log.info(
        { broker },
        `the broker refuses MQTT ${refused === 5 ? "5, trying 3.1.1" : "3.1.1, trying 5"}`,
      );
      return refused === 5;
    }
    const less = refusesWill(failure, will);
    if (less !== null) {
      will = less;
      log.info({ broker, ...will }, "the broker does not take the last will as it is, trying with less");
      return true;
    }
    // Some old brokers just hang up on MQTT 5; one that is restarting does too, so both versions take turns.
    if (failure.code === "closed-early" && !versionProven) version = version === 5 ? 4 : 5;
    return false;
  }

  /** Resolves when `done` holds, or at `deadline` (of performance.now()). */
  function until(done: () => boolean, deadline: number): Promise<void> {
    return new Promise((resolve) => {
      const finish = () => {
        clearTimeout(timer);
        notify = () => {};
        resolve();
      };
      const timer = setTimeout(finish, Math.max(0, deadline - performance.now()));
      notify = () => {
        if (done()) finish();
      };
      notify();
    });
  }

  async function stop(timeoutMs: number): Promise<void> {
    if (phase !== "idle" && phase !== "running") return;
    const deadline = performance.now() + timeoutMs;
    const wasRunning = phase === "running";
    phase = "stopping";
    clearTimeout(retry);
    retry = undefined;
    // A broker that is back by now still gets what waits: one attempt, at once.
    if (wasRunning && attempt === undefined && outbox.size() > 0) open();
    const nothingToWaitFor = () =>
      connection === undefined
        ? attempt === undefined && retry === undefined
        : outbox.size() === 0 && state.settled();
    const reserve = Math.min(GOODBYE_MS, timeoutMs / 2);
    await until(nothingToWaitFor, deadline - reserve);
    phase = "leaving";
    clearTimeout(retry);
    const current = connection;
    if (current !== undefined) {
      let said = false;
      current.publish({ topic: topics.availability, payload: "offline", qos: 1, retain: true }, () => {
        said = true;
        notify();
      });
      await until(() => said || connection === undefined, deadline - reserve / 2);
      await current.close(Math.max(1, deadline - performance.now()));
    } else {
      attempt?.abort(localFailure("closed"));
    }
    phase = "stopped";
    const left = outbox.size();
    await outbox.close(Math.max(100, deadline - performance.now()));
    if (left > 0) log.warn({ broker, left }, "stopped before the broker had every event");
    else log.info({ broker }, "stopped");
  }

  return {
    start() {
      if (phase !== "idle") return;
      phase = "running";
      outbox.start(delivery.pump);
      open();
    },
    allowSnapshots: (snapshots) => discovery.change({ snapshots }),
    event(event) {
      if (phase === "stopped") return;
      outbox.add(event);
      delivery.pump();
    },
    state: (newest) => state.set(JSON.stringify(newest)),
    health(health: Health) {
      newestHealth = health;
      if (connection !== undefined && !connection.congested()) sendHealth(connection, health);
    },
    paused: setPaused,
    stats: () => ({
      connected: connection !== undefined,
      buffered: outbox.size(),
      dropped: outbox.dropped(),
      replayed: delivery.replayed(),
    }),
    stop,
  };
}
