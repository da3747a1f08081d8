import { z } from "zod";
import { VERSION } from "../base/version.js";
import { eventSchema, healthSchema, stateSchema } from "../events/schema.js";
import { commandSchemas } from "./commands.js";
import { topicsOf } from "./topics.js";

/**
 * The MQTT interface, written down: the schema of every payload, and an AsyncAPI 3 document of all topics. Both come
 * from the schemas that the daemon itself uses. Subscribers in TypeScript import their types from here.
 */
export type { EmotionEvent, Health, Scores, State } from "../events/schema.js";
export { eventSchema, healthSchema, stateSchema } from "../events/schema.js";

export const availabilitySchema = z
  .enum(["online", "offline"])
  .describe("Plain text, without quotes; `offline` also when the daemon died or lost its network");

export const responseSchema = z
  .union([
    z.strictObject({ ok: z.literal(true) }),
    z.strictObject({ ok: z.literal(false), error: z.string().describe("What was wrong, in words") }),
  ])
  .describe("The answer to a command");

export type CommandAnswer = z.output<typeof responseSchema>;

const pausedSchema = z.boolean().describe("`true` while paused: no frame is looked at");

interface Channel {
  readonly summary: string;
  readonly schema: z.ZodType | null;
  readonly contentType: "application/json" | "text/plain" | "image/jpeg";
  readonly qos: 0 | 1;
  readonly retain: boolean;
}

const json = (summary: string, schema: z.ZodType, qos: 0 | 1, retain: boolean): Channel => ({
  summary,
  schema,
  contentType: "application/json",
  qos,
  retain,
});

/** What the daemon publishes, by the last part of the topic. */
export const published = {
  availability: {
    summary: "Whether the daemon is there; the last will",
    schema: availabilitySchema,
    contentType: "text/plain",
    qos: 1,
    retain: true,
  },
  event: json("One step in the life of a face", eventSchema, 1, false),
  state: json("The faces in view now", stateSchema, 1, true),
  health: json("How the daemon is, every 10 s", healthSchema, 0, true),
  response: json("The answer to a command that asked for no other topic", responseSchema, 1, false),
  paused: json("Whether the daemon is paused", pausedSchema, 1, true),
  snapshot: {
    summary: "A picture, after the command `snapshot`, if the owner allows it",
    schema: null,
    contentType: "image/jpeg",
    qos: 0,
    retain: false,
  },
} as const satisfies Record<string, Channel>;

/** JSON Schema (draft 7, which AsyncAPI builds on) of each JSON or text payload, by the name of its message. */
export function payloadSchemas(): Readonly<Record<string, object>> {
  const of = (schema: z.ZodType) => {
    const { $schema: _, ...rest } = z.toJSONSchema(schema, { target: "draft-7" });
    return rest;
  };
  return {
    ...Object.fromEntries(
      Object.entries(published).flatMap(([name, { schema }]) =>
        schema === null ? [] : [[name, of(schema)]],
      ),
    ),
    ...Object.fromEntries(
      Object.entries(commandSchemas).map(([name, schema]) => [`cmd_${name}`, of(schema)] as const),
    ),
  };
}

/** The AsyncAPI 3 document, from the daemon's point of view: it sends events and receives commands. */
export function asyncApiDocument(): object {
  const schemas = payloadSchemas();
  const address = topicsOf("{baseTopic}", "{device}");
  const parameters = {
    baseTopic: { description: "mqtt.baseTopic of the configuration", default: "emotiond" },
    device: { description: "`device` of the configuration; by default the host's name" },
  };
  const channel = (topic: string, summary: string, message: string) => ({
    address: topic,
    summary,
    messages: { [message]: { $ref: `#/components/messages/${message}` } },
    parameters,
  });
  const message = (name: string, summary: string, contentType: string) => ({
    name,
    summary,
    contentType,
    payload:
      schemas[name] === undefined
        ? { type: "string", format: "binary" }
        : { $ref: `#/components/schemas/${name}` },
  });
  const sent = Object.entries(published);
  const commands = Object.entries(commandSchemas);

  return {
    asyncapi: "3.0.0",
    info: {
      title: "emotiond",
      version: VERSION,
      description:
        "Faces and their emotions, over MQTT. Delivery of events is at least once: `boot` and `seq` tell a loss or a repeat; an event that is sent late says `replayed`.",
      license: { name: "MIT" },
    },
    defaultContentType: "application/json",
    channels: {
      ...Object.fromEntries(
        sent.map(([name, { summary }]) => [
          name,
          channel(address[name as keyof typeof published], summary, name),
        ]),
      ),
      ...Object.fromEntries(
        commands.map(([name, schema]) => [
          `cmd_${name}`,
          channel(`${address.root}/cmd/${name}`, schema.description ?? name, `cmd_${name}`),
        ]),
      ),
    },
    operations: {
      ...Object.fromEntries(
        sent.map(([name, { summary, qos, retain }]) => [
          `send_${name}`,
          {
            action: "send",
            summary,
            channel: { $ref: `#/channels/${name}` },
            bindings: { mqtt: { qos, retain, bindingVersion: "0.2.0" } },
          },
        ]),
      ),
      ...Object.fromEntries(
        commands.map(([name, schema]) => [
          `receive_cmd_${name}`,
          {
            action: "receive",
            summary: schema.description ?? name,
            channel: { $ref: `#/channels/cmd_${name}` },
            bindings: { mqtt: { qos: 1, retain: false, bindingVersion: "0.2.0" } },
            reply: {
              // MQTT 5's response topic; without one the answer goes to `response`.
              channel: { $ref: "#/channels/response" },
              messages: [{ $ref: "#/channels/response/messages/response" }],
            },
          },
        ]),
      ),
    },
    components: {
      messages: {
        ...Object.fromEntries(
          sent.map(([name, { summary, contentType }]) => [name, message(name, summary, contentType)]),
        ),
        ...Object.fromEntries(
          commands.map(([name, schema]) => [
            `cmd_${name}`,
            message(`cmd_${name}`, schema.description ?? name, "application/json"),
          ]),
        ),
      },
      schemas,
    },
  };
}
