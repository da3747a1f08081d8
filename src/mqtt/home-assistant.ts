import { EMOTION_LABELS } from "../base/labels.js";
import { shortHash } from "../config/short-hash.js";
import { clientIdOf, type Topics } from "./topics.js";

/**
 * Home Assistant's device discovery: one retained message that describes the device with all its entities.
 * https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload
 */
export interface DiscoverySubject {
  /** Home Assistant's discovery prefix, `homeassistant` unless it was changed there. */
  readonly prefix: string;
  readonly baseTopic: string;
  readonly device: string;
  readonly topics: Topics;
  readonly version: string;
  /** Whether the owner lets pictures out, so that there is an image to show. */
  readonly snapshots: boolean;
  /** Whether commands are taken: without them there is nothing to switch, and no picture comes. Default true. */
  readonly commands?: boolean;
}

export interface DiscoveryPayload {
  readonly device: {
    readonly identifiers: readonly string[];
    readonly name: string;
    readonly manufacturer: string;
    readonly model: string;
    readonly sw_version: string;
  };
  readonly origin: { readonly name: string; readonly sw_version: string };
  readonly availability_topic: string;
  readonly components: Readonly<Record<string, Component | Removed>>;
}

/** An entity that there may have been, and is not any more: Home Assistant keeps what is only left out. */
export interface Removed {
  readonly platform: Component["platform"];
}

/** An entity: its platform, its name, and the options of the platform. */
type Entity = {
  readonly platform: "sensor" | "binary_sensor" | "switch" | "event" | "image" | "button";
  readonly name: string;
} & Readonly<Record<string, string | number | boolean | readonly string[]>>;

/** An entity with its unique identifier. */
export type Component = Entity & { readonly unique_id: string };

/** Health comes every 10 s; a sensor that misses so many seconds of it shows no stale figure. */
const HEALTH_EXPIRES = 60;

export function discoveryTopic({ prefix, baseTopic, device }: DiscoverySubject): string {
  return `${prefix}/device/${clientIdOf(baseTopic, device)}/config`;
}

/** Where Home Assistant says `online` when it has (re)started. */
export function birthTopic(prefix: string): string {
  return `${prefix}/status`;
}

/**
 * The unique identifier of an entity. A device `x` with `take_snapshot` and a device `x_take` with `snapshot` would come
 * to the same: then a hash of the device's identifier tells them apart.
 */
function entityId(id: string, key: string, keys: readonly string[]): string {
  const shared = keys.some(
    (other) => other.endsWith(`_${key}`) && id.endsWith(`_${other.slice(0, -key.length - 1)}`),
  );
  return shared ? `${id}-${shortHash(id)}_${key}` : `${id}_${key}`;
}

function withIds(
  id: string,
  components: Readonly<Record<string, Removed | Entity>>,
): DiscoveryPayload["components"] {
  const keys = Object.keys(components);
  return Object.fromEntries(
    Object.entries(components).map(([key, one]) => [
      key,
      "name" in one ? { ...one, unique_id: entityId(id, key, keys) } : one,
    ]),
  );
}

export function discoveryPayload(subject: DiscoverySubject): DiscoveryPayload {
  const { topics, device, version, commands = true } = subject;
  const id = clientIdOf(subject.baseTopic, device);
  const entity = (
    key: string,
    platform: Component["platform"],
    name: string,
    options: Record<string, string | number | boolean | readonly string[]>,
  ) => ({ [key]: { platform, name, ...options } satisfies Entity });
  const health = { state_topic: topics.health, expire_after: HEALTH_EXPIRES, entity_category: "diagnostic" };

  return {
    device: {
      identifiers: [id],
      name: device,
      manufacturer: "emotiond",
      model: "Emotion camera",
      sw_version: version,
    },
    origin: { name: "emotiond", sw_version: version },
    availability_topic: topics.availability,
    components: withIds(id, {
      ...entity("emotion", "sensor", "Emotion", {
        state_topic: topics.state,
        device_class: "enum",
        options: [...EMOTION_LABELS, "uncertain", "none"],
        value_template: "{{ value_json.dominant or 'none' }}",
        icon: "mdi:emoticon-outline",
      }),
      ...entity("confidence", "sensor", "Confidence", {
        state_topic: topics.state,
        unit_of_measurement: "%",
        state_class: "measurement",
        suggested_display_precision: 0,
        value_template:
          "{% set scores = value_json.tracks | selectattr('label', 'eq', value_json.dominant) | map(attribute='confidence') | list %}{{ (max(scores) * 100) | round(1) if scores else none }}",
        icon: "mdi:gauge",
      }),
      ...entity("faces", "sensor", "Faces", {
        state_topic: topics.state,
        state_class: "measurement",
        value_template: "{{ value_json.faces }}",
        icon: "mdi:face-recognition",
      }),
      ...entity("face_event", "event", "Face", {
        state_topic: topics.event,
        event_types: ["new", "update", "end"],
        // An event that waited for the broker is no news any more: nothing may be switched by it.
        value_template:
          "{% if not value_json.replayed %}{{ {'event_type': value_json.type, 'track': value_json.track, 'label': value_json.emotion.label, 'confidence': value_json.emotion.confidence, 'previous': value_json.previous, 'duration': value_json.duration, 'time': value_json.time} | to_json }}{% endif %}",
        icon: "mdi:face-recognition",
      }),
      ...(commands
        ? entity("paused", "switch", "Pause", {
            state_topic: topics.paused,
            command_topic: `${topics.root}/cmd/paused`,
            payload_on: "true",
            payload_off: "false",
            qos: 1,
            icon: "mdi:pause",
          })
        : { paused: { platform: "switch" as const } }),
      ...entity("fps", "sensor", "Frame rate", {
        ...health,
        unit_of_measurement: "fps",
        state_class: "measurement",
        value_template: "{{ value_json.pipeline.fps }}",
        icon: "mdi:speedometer",
      }),
      ...entity("temperature", "sensor", "Temperature", {
        ...health,
        device_class: "temperature",
        unit_of_measurement: "°C",
        state_class: "measurement",
        value_template: "{{ value_json.temperature }}",
      }),
      ...entity("camera_status", "sensor", "Camera", {
        ...health,
        device_class: "enum",
        options: ["running", "starting", "stalled", "failed"],
        value_template: "{{ value_json.camera.status }}",
        icon: "mdi:camera",
      }),
      ...entity("problem", "binary_sensor", "Problem", {
        ...health,
        device_class: "problem",
        value_template: "{{ 'ON' if value_json.camera.status in ['stalled', 'failed'] else 'OFF' }}",
      }),
      ...(subject.snapshots && commands
        ? {
            ...entity("snapshot", "image", "Snapshot", {
              image_topic: topics.snapshot,
              content_type: "image/jpeg",
            }),
            ...entity("take_snapshot", "button", "Take a snapshot", {
              command_topic: `${topics.root}/cmd/snapshot`,
              payload_press: "{}",
              qos: 1,
              icon: "mdi:camera-iris",
            }),
          }
        : {
            // One that is left behind would go on showing the last picture.
            snapshot: { platform: "image" },
            take_snapshot: { platform: "button" },
          }),
    }),
  };
}
