import { readFile } from "node:fs/promises";
import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { withConfigurationTable } from "../../scripts/reference/configuration.js";
import { configKeys } from "../../src/config/environment.js";
import { configJsonSchema } from "../../src/config/json-schema.js";
import { defaultConfig, parseConfig } from "../../src/config/load.js";

const read = (path: string) => readFile(new URL(`../../${path}`, import.meta.url), "utf8");

describe("what is written down of the configuration", () => {
  it("the reference is the schema's (npm run reference writes it)", async () => {
    const readme = await read("src/config/README.md");
    expect(readme).toBe(withConfigurationTable(readme));
  });

  it("the sample configuration is the defaults, names every key, and fits the JSON Schema", async () => {
    const sample = await read("systemd/emotiond.yaml");
    const environment = { EMOTIOND_DEVICE: "kitchen" };
    expect(parseConfig(sample, "emotiond.yaml", environment)).toEqual(defaultConfig(environment));
    for (const { path } of configKeys()) {
      const name = path.split(".").at(-1) ?? path;
      expect(sample, path).toMatch(new RegExp(`^[ #]*${name}:`, "m"));
    }
    const fits = addFormats.default(new Ajv2020()).compile(configJsonSchema());
    expect(fits(parse(sample) ?? {}), JSON.stringify(fits.errors)).toBe(true);
  });

  it("the JSON Schema refuses what the loader refuses", () => {
    const fits = addFormats.default(new Ajv2020()).compile(configJsonSchema());
    expect(fits({})).toBe(true);
    expect(fits({ mqtt: null })).toBe(true);
    expect(fits({ mqtt: { outbox: null } })).toBe(true);
    expect(fits({ device: null })).toBe(false);
    expect(fits({ nonsense: 1 })).toBe(false);
    expect(fits({ source: { width: "wide" } })).toBe(false);
    expect(fits({ source: { type: "usb" } })).toBe(false);
  });
});
