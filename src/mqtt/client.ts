import type { Logger } from "../base/logger.js";
import { VERSION } from "../base/version.js";
import type { MqttConfig } from "../config/schema.js";
import { COMMAND_LIMITS, commandReceiver } from "./answering.js";
import { changes } from "./changes.js";
import { commandSubscription } from "./command-subscription.js";
import type { Connection } from "./connection.js";
import { createOutbox } from "./create-outbox.js";
import type { MqttCredentials } from "./credentials.js";
import { deliverFrom } from "./delivery.js";
import { homeAssistantDiscovery } from "./discovery.js";
import { type ConnectionFailure, isLimit, limitOf, localFailure } from "./failure.js";
import type { BrokerLimits } from "./limits.js";
import { type Again, brokerLink } from "./link.js";
import type { Outbox } from "./outbox.js";
import { presence } from "./presence.js";
import type { CommandHandler, Publisher } from "./publisher.js";
import { MQTT_TIMING, type MqttTiming } from "./timing.js";
import { clientIdOf, type Topics, topicsOf } from "./topics.js";
import { type TroubleTeller, troubleTeller } from "./trouble.js";

export { MQTT_TIMING, type MqttTiming } from "./timing.js";

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

/** What is kept back of the time to stop, for `offline` and DISCONNECT. */
const GOODBYE_MS = 500;

/** `stopping`: what waits is still sent; `leaving`: only the goodbye is. */
type Phase = "idle" | "running" | "stopping" | "leaving" | "stopped";

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
  const tell = tellerOf(trouble, log, broker);
  const outbox = options.outbox ?? createOutbox(config.outbox, options.environment ?? process.env, log);
  /** What `stop` waits for: the connection or the outbox may have changed. */
  const changed = changes();
  let phase: Phase = "idle";
  let tick: NodeJS.Timeout | undefined;

  const present = presence(topics, tell, changed.notify);
  const commands = commandSubscription(topics, log, (refused) =>
    tell("the broker refuses the subscription to commands", refused),
  );
  const receive = commandReceiver(
    topics,
    options.onCommand,
    log,
    ({ name }) => {
      if (name === "pause" || name === "resume") present.paused(name === "pause");
    },
    COMMAND_LIMITS,
    config.homeAssistant.prefix,
  );
  const discovery = discoveryOf(options, topics, present.renew, tell);
  const link = brokerLink(
    {
      url: config.url,
      clientId: clientIdOf(config.baseTopic, device),
      availability: topics.availability,
      credentials: options.credentials,
      timing,
      log,
      broker,
      trouble,
      waiting: outbox.size,
      again,
    },
    {
      onOpen: opened,
      onClosed: closed,
      onMessage(topic, payload, packet) {
        if (link.connection === undefined || phase !== "running") return;
        if (discovery.message(topic, payload) || !config.commands) return;
        commands.message(topic);
        receive(link.connection, topic, payload, packet);
      },
    },
  );
  const delivery = deliverFrom(outbox, {
    topic: topics.event,
    maxAge: config.outbox.maxAge,
    lateAfter: timing.lateAfter,
    freshFor: timing.freshFor,
    window: timing.window,
    refusedPause: timing.refusedPause,
    onDelivered() {
      link.works();
      changed.notify();
    },
    onRefused(failure, forGood) {
      const what = forGood
        ? "the broker refused an event for good; it is dropped"
        : "the broker refuses events; they are kept";
      tell(what, failure);
    },
  });

  function again(failure: ConnectionFailure): Again {
    if (phase === "running") return "backoff";
    // `stop` ends it when its time is up.
    return phase === "stopping" && outbox.size() > 0 && failure.code !== "ECONNREFUSED" ? "soon" : "never";
  }

  function opened(current: Connection, limits: BrokerLimits): void {
    tellLimits(limits, tell);
    tick = setInterval(delivery.pump, Math.max(10, timing.lateAfter / 4));
    tick.unref();
    if (config.commands) commands.connected(current, limits.wildcards);
    // Events before the state: even a broker that hangs up after three messages then gets one event a connection.
    delivery.connected(current);
    present.introduce(current, (told) => introduceToHomeAssistant(current, told));
    changed.notify();
  }

  function introduceToHomeAssistant(current: Connection, told: () => void): void {
    // The largest packet by far, and on a topic outside baseTopic: a broker that hangs up on one of a size that MQTT
    // 3.1.1 has no words for, or on a topic that it forbids, would do so at each connection.
    if (!link.flapping()) discovery.connected(current, told);
    else told();
    if (discovery.birthTopic === null) return;
    if (link.flapping()) {
      trouble.tell("Home Assistant's discovery is left out of this connection", localFailure("closed-soon"));
    }
    current.subscribe(discovery.birthTopic, (refused) => {
      if (refused !== null) tell("the broker refuses the subscription to Home Assistant's status", refused);
    });
  }

  function closed(): void {
    clearInterval(tick);
    delivery.disconnected();
    discovery.disconnected();
    commands.disconnected();
    present.disconnected();
    changed.notify();
  }

  async function stop(timeoutMs: number): Promise<void> {
    if (phase !== "idle" && phase !== "running") return;
    const deadline = performance.now() + timeoutMs;
    const reserve = Math.min(GOODBYE_MS, timeoutMs / 2);
    const wasRunning = phase === "running";
    phase = "stopping";
    link.cease();
    // A broker that is back by now still gets what waits: one attempt, at once.
    if (wasRunning && !link.busy() && outbox.size() > 0) link.open();
    await changed.until(nothingToWaitFor, deadline - reserve);
    phase = "leaving";
    link.cease();
    const current = link.connection;
    if (current === undefined) link.abort();
    else await leave(current, deadline, reserve);
    phase = "stopped";
    const left = outbox.size();
    await outbox.close(Math.max(100, deadline - performance.now()));
    if (left > 0) log.warn({ broker, left }, "stopped before the broker had every event");
    else log.info({ broker }, "stopped");
  }

  function nothingToWaitFor(): boolean {
    if (link.connection === undefined) return !link.busy() && !link.due();
    return outbox.size() === 0 && present.settled();
  }

  async function leave(current: Connection, deadline: number, reserve: number): Promise<void> {
    let said = false;
    present.leave(current, () => {
      said = true;
      changed.notify();
    });
    await changed.until(() => said || link.connection === undefined, deadline - reserve / 2);
    await current.close(Math.max(1, deadline - performance.now()));
  }

  return {
    start() {
      if (phase !== "idle") return;
      phase = "running";
      outbox.start(delivery.pump);
      link.open();
    },
    allowSnapshots: (snapshots) => discovery.change({ snapshots }),
    event(event) {
      if (phase === "stopped") return;
      outbox.add(event);
      delivery.pump();
    },
    state: present.state,
    health: present.health,
    paused: present.paused,
    stats: () => ({
      connected: link.connection !== undefined,
      buffered: outbox.size(),
      dropped: outbox.dropped(),
      replayed: delivery.replayed(),
    }),
    stop,
  };
}

type Tell = (what: string, failure: ConnectionFailure) => void;

/** What the broker does not take by its own words is no news at the next connection either. */
function tellerOf(trouble: TroubleTeller, log: Logger, broker: string): Tell {
  const limits = troubleTeller(log, broker);
  return (what, failure) => (isLimit(failure) ? limits : trouble).tell(what, failure);
}

function discoveryOf(options: MqttPublisherOptions, topics: Topics, onBirth: () => void, tell: Tell) {
  const { config, device } = options;
  return homeAssistantDiscovery(
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
    onBirth,
    (failure) =>
      tell(
        "the broker refuses Home Assistant's discovery (mqtt.homeAssistant.enabled: false turns it off)",
        failure,
      ),
  );
}

/** Says once what the broker cannot do, and what that costs. */
function tellLimits(limits: BrokerLimits, tell: Tell): void {
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
