import { seemsHashed, shortHash } from "../config/short-hash.js";

/** The topics of one device; the last part of each is fixed by the contract. */
export interface Topics {
  readonly availability: string;
  readonly event: string;
  readonly state: string;
  readonly health: string;
  readonly snapshot: string;
  /** Retained `true` or `false`, for Home Assistant's switch. */
  readonly paused: string;
  /** Where a command without an MQTT 5 response topic is answered. */
  readonly response: string;
  /** What is subscribed to, and nothing else. */
  readonly commandFilter: string;
  /** The first part of every topic, without the last `/`. */
  readonly root: string;
}

/** Topics of `device` under `baseTopic`, both as the configuration has checked them. */
export function topicsOf(baseTopic: string, device: string): Topics {
  const root = `${baseTopic}/${device}`;
  return {
    root,
    availability: `${root}/availability`,
    event: `${root}/event`,
    state: `${root}/state`,
    health: `${root}/health`,
    snapshot: `${root}/snapshot`,
    paused: `${root}/paused`,
    response: `${root}/response`,
    commandFilter: `${root}/cmd/+`,
  };
}

/** The `<name>` of `…/cmd/<name>`; null for any other topic. */
export function commandName(topics: Topics, topic: string): string | null {
  const prefix = `${topics.root}/cmd/`;
  if (!topic.startsWith(prefix)) return null;
  const name = topic.slice(prefix.length);
  return name === "" || name.includes("/") ? null : name;
}

/** Last levels of what a device publishes on, `summary` among them. */
const PUBLISHED = new Set([
  "availability",
  "event",
  "state",
  "health",
  "snapshot",
  "paused",
  "response",
  "summary",
]);

/** Home Assistant's own default; it may listen there whatever this device is told. */
const HOME_ASSISTANT = "homeassistant";

/** Bytes of the longest response topic. */
const LONGEST_ANSWER_TOPIC = 1024;
/** Levels of the deepest one: mosquitto ends the connection of who publishes deeper than 200. */
const DEEPEST_ANSWER_TOPIC = 64;

/**
 * Where the answer to a command goes: the response topic that its sender asks for, if an answer there can be taken
 * for nothing else, else the device's own `response`. So it does not go
 *
 * - to what is no topic name (wildcards, control characters, too long or too deep a one) and to `$…`, the broker's;
 * - under the base topic, where every device has its topics, nor where one with another base topic would have them:
 *   at the end of three levels or more, the name of a topic of the contract, or `cmd` before a name;
 * - to Home Assistant, which takes what is below its prefix for entities, or for its own start.
 */
export function answerTopic(topics: Topics, asked: string | undefined, homeAssistantPrefix?: string): string {
  if (asked === undefined || !isTopicName(asked)) return topics.response;
  const baseTopic = topics.root.slice(0, topics.root.lastIndexOf("/"));
  const reserved = [topics.root, baseTopic, HOME_ASSISTANT, homeAssistantPrefix ?? HOME_ASSISTANT];
  if (reserved.some((prefix) => asked === prefix || asked.startsWith(`${prefix}/`))) return topics.response;
  const levels = asked.split("/");
  const couldBeDevices =
    (levels.length >= 3 && PUBLISHED.has(levels.at(-1) ?? "")) ||
    (levels.length >= 4 && levels.at(-2) === "cmd");
  return couldBeDevices ? topics.response : asked;
}

/** True for a topic that any broker takes a message on; `$…` is not for clients to write to. */
function isTopicName(asked: string): boolean {
  return (
    asked !== "" &&
    Buffer.byteLength(asked) <= LONGEST_ANSWER_TOPIC &&
    !/^\$|[+#\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]/u.test(asked) &&
    asked.split("/").length <= DEEPEST_ANSWER_TOPIC
  );
}

/**
 * The client identifier, and this device's identity in Home Assistant: fixed, so that a connection made after a network
 * failure takes the place of the dead one. A new name each time would leave the dead one's last will to come later and
 * say `offline` of a living device.
 *
 * It is `baseTopic-device`, of letters, digits, `_` and `-` alone, which access lists and Home Assistant can do with.
 * Where others could come to the same (a base topic in which characters had to be replaced, or one with a dash, so that
 * it cannot be told from the device's name), a short hash of the base topic stands between the two. Distinct pairs have
 * distinct identifiers.
 */
export function clientIdOf(baseTopic: string, device: string): string {
  const plain = /^[A-Za-z0-9_]+$/.test(baseTopic);
  // A device's name may itself have what looks like the hash of a base topic.
  if (seemsHashed(device)) return joined(baseTopic, shortHash(`${baseTopic}\0${device}`), device);
  return plain ? `${baseTopic}-${device}` : joined(baseTopic, shortHash(baseTopic), device);
}

function joined(baseTopic: string, hash: string, device: string): string {
  return `${baseTopic.replace(/[^A-Za-z0-9_-]/g, "-")}-${hash}-${device}`;
}
