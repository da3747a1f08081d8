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

/**
 * Where the answer to a command goes: the response topic that its sender asks for, if that is safe to write to,
 * else the device's own. Not safe are wildcards and U+0000 (no topic name at all), `$` topics (the broker's), and
 * every topic of this device but `response`: an answer there could pose as state, or be a command itself.
 */
export function answerTopic(topics: Topics, asked: string | undefined): string {
  if (asked === undefined || asked === "" || asked.startsWith("$")) return topics.response;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: U+0000 is what MQTT forbids in a topic
  if (/[+#\u0000]/.test(asked) || Buffer.byteLength(asked) > 1024) return topics.response;
  if (asked === topics.root || asked.startsWith(`${topics.root}/`)) return topics.response;
  return asked;
}

/**
 * The client identifier: fixed, so that a connection made after a network failure takes the place of the dead one.
 * A new name each time would leave the dead one's last will to come later and say `offline` of a living device.
 */
export function clientIdOf(baseTopic: string, device: string): string {
  return `${baseTopic.replace(/[^A-Za-z0-9_-]/g, "-")}-${device}`;
}
