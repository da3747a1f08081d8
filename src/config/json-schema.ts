import { z } from "zod";
import { configSchema } from "./schema.js";

/** JSON Schema (2020-12) of a configuration file: what may stand in it, so no key is required. */
export function configJsonSchema(): object {
  const schema = z.toJSONSchema(configSchema, {
    io: "input",
    override: ({ jsonSchema, path }) => {
      // A section's default is the sum of its keys' defaults, and the device's is the host that prints this.
      if (jsonSchema.type === "object") {
        delete jsonSchema.default;
        // A section whose keys are all commented out.
        if (path.length > 0) Object.assign(jsonSchema, { type: ["object", "null"] });
      }
      if (jsonSchema.description?.endsWith("default: the host name") === true) delete jsonSchema.default;
    },
  });
  return { ...schema, title: "emotiond configuration" };
}
