import { z } from "zod";

/**
 * What Home Assistant takes as a device discovery payload, written down from its documentation
 * (https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload and the pages of the platforms) and
 * from the schemas of its MQTT integration. Stricter than Home Assistant, which passes over unknown options of a
 * component: a misspelt option is an error here.
 */
const topic = z.string().regex(/^[^+#\0]+$/);
const id = z.string().regex(/^[A-Za-z0-9_-]+$/);

const common = {
  unique_id: id,
  name: z.string(),
  icon: z
    .string()
    .regex(/^mdi:[a-z-]+$/)
    .optional(),
  entity_category: z.enum(["config", "diagnostic"]).optional(),
  qos: z.literal([0, 1, 2]).optional(),
  enabled_by_default: z.boolean().optional(),
};
const template = z.string().optional();

const sensor = z
  .strictObject({
    ...common,
    platform: z.literal("sensor"),
    state_topic: topic,
    value_template: template,
    device_class: z.enum(["enum", "temperature"]).optional(),
    state_class: z.enum(["measurement", "total", "total_increasing"]).optional(),
    unit_of_measurement: z.string().optional(),
    suggested_display_precision: z.int().min(0).optional(),
    options: z.array(z.string()).min(1).optional(),
    expire_after: z.int().min(0).optional(),
  })
  // Home Assistant refuses an enum sensor with a state class or a unit, and options without that device class.
  .refine((one) => (one.device_class === "enum") === (one.options !== undefined))
  .refine((one) => one.device_class !== "enum" || (!one.state_class && !one.unit_of_measurement));

const binarySensor = z.strictObject({
  ...common,
  platform: z.literal("binary_sensor"),
  state_topic: topic,
  value_template: template,
  device_class: z.enum(["problem"]).optional(),
  expire_after: z.int().min(0).optional(),
});

const switchEntity = z.strictObject({
  ...common,
  platform: z.literal("switch"),
  state_topic: topic,
  command_topic: topic,
  payload_on: z.string(),
  payload_off: z.string(),
});

const event = z.strictObject({
  ...common,
  platform: z.literal("event"),
  state_topic: topic,
  event_types: z.array(z.string()).min(1),
  value_template: template,
});

const image = z.strictObject({
  ...common,
  platform: z.literal("image"),
  image_topic: topic,
  content_type: z.string(),
});

const button = z.strictObject({
  ...common,
  platform: z.literal("button"),
  command_topic: topic,
  payload_press: z.string(),
});

/** One that Home Assistant is to take away. */
const removed = z.strictObject({ platform: z.enum(["switch", "image", "button"]) });

export const deviceDiscoverySchema = z.strictObject({
  device: z.strictObject({
    identifiers: z.array(z.string()).min(1),
    name: z.string(),
    manufacturer: z.string().optional(),
    model: z.string().optional(),
    sw_version: z.string().optional(),
  }),
  origin: z.strictObject({
    name: z.string(),
    sw_version: z.string().optional(),
    support_url: z.url().optional(),
  }),
  availability_topic: topic,
  components: z.record(
    z.string().regex(/^[a-zA-Z0-9_-]+$/),
    z.union([sensor, binarySensor, switchEntity, event, image, button, removed]),
  ),
});

/** Discovery topics that Home Assistant looks at: `<prefix>/device/<object id>/config`. */
export const DISCOVERY_TOPIC = /^homeassistant\/device\/[a-zA-Z0-9_-]+\/config$/;
