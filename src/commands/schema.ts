import { z } from "zod";
import { configJsonSchema } from "../config/json-schema.js";
import { eventSchema } from "../events/schema.js";

const SCHEMAS = { config: configJsonSchema, event: eventJsonSchema } as const;

/** Prints the JSON Schema of the configuration or of an event. */
export function schema(operands: readonly string[]): number {
  const [name, ...rest] = operands;
  if (rest.length > 0 || (name !== "config" && name !== "event")) {
    process.stderr.write("emotiond: schema of what? `schema config` or `schema event`\n");
    return 64;
  }
  process.stdout.write(`${JSON.stringify(SCHEMAS[name](), null, 2)}\n`);
  return 0;
}

function eventJsonSchema(): object {
  return { ...z.toJSONSchema(eventSchema), title: "emotiond event" };
}
