import { z } from "zod";
import type { ConfigProblem } from "./problem.js";
import { configSchema } from "./schema.js";

export const ENVIRONMENT_PREFIX = "EMOTIOND_";

/** A key of the configuration that holds a value (no section), as the README and the environment name it. */
export interface ConfigKey {
  /** Such as `mqtt.homeAssistant.enabled`. */
  readonly path: string;
  /** Such as `EMOTIOND_MQTT_HOME_ASSISTANT_ENABLED`. */
  readonly environment: string;
  readonly description: string;
  /** What stands there when nobody says anything; undefined where there is none. */
  readonly byDefault: unknown;
  /** The JSON Schema type (or types) of the value. */
  readonly type: string;
}

interface JsonSchemaNode {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, JsonSchemaNode>>;
}

/** All keys, in the schema's order. */
export function configKeys(): ConfigKey[] {
  return keysBelow(z.toJSONSchema(configSchema, { io: "input" }) as JsonSchemaNode, []);
}

function keysBelow(node: JsonSchemaNode, path: readonly string[]): ConfigKey[] {
  return Object.entries(node.properties ?? {}).flatMap(([name, child]) => {
    const childPath = [...path, name];
    if (child.properties !== undefined) return keysBelow(child, childPath);
    return [
      {
        path: childPath.join("."),
        environment: ENVIRONMENT_PREFIX + childPath.map(screamingSnake).join("_"),
        description: child.description ?? "",
        byDefault: child.default,
        type: child.enum === undefined ? (child.type ?? "string") : child.enum.join(" | "),
      },
    ];
  });
}

function screamingSnake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
}

/**
 * The values that the environment sets, as a tree like the configuration file's. `EMOTIOND_MQTT_URL` is
 * `mqtt.url`; in camelCase names the inner underscores may be left out. Values are JSON where the key is no
 * string (numbers, true/false, masks); an empty value counts as not set.
 */
export function fromEnvironment(environment: NodeJS.ProcessEnv): {
  readonly values: Record<string, unknown>;
  readonly problems: readonly ConfigProblem[];
} {
  const keys = new Map(configKeys().map((key) => [key.environment.replaceAll("_", ""), key]));
  const values: Record<string, unknown> = {};
  const problems: ConfigProblem[] = [];
  for (const [name, text] of Object.entries(environment)) {
    if (!name.startsWith(ENVIRONMENT_PREFIX) || text === undefined || text === "") continue;
    const key = keys.get(name.toUpperCase().replaceAll("_", ""));
    if (key === undefined) {
      problems.push({
        path: name,
        message: "no key of the configuration has this name; remove the variable",
      });
      continue;
    }
    setPath(values, key.path.split("."), isText(key.type) ? text : parseValue(text));
  }
  return { values, problems };
}

function isText(type: string): boolean {
  return !["number", "integer", "boolean", "array"].includes(type);
}

function parseValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Left as text: the schema then says what type the key wants.
    return text;
  }
}

function setPath(tree: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [first, ...rest] = path;
  if (first === undefined) return;
  if (rest.length === 0) {
    tree[first] = value;
    return;
  }
  const below = tree[first];
  const child = isTree(below) ? below : {};
  tree[first] = child;
  setPath(child, rest, value);
}

function isTree(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Lays `over` on `under`, section by section; what `over` says wins. Where `under` should be a section and is none, it
 * stays, for the schema to refuse: what it meant to say must not vanish.
 */
export function overlay(under: unknown, over: Record<string, unknown>): unknown {
  if (!isTree(under))
    return Object.keys(over).length > 0 && (under === undefined || under === null) ? over : under;
  const merged: Record<string, unknown> = { ...under };
  for (const [key, value] of Object.entries(over)) {
    merged[key] = isTree(value) ? overlay(merged[key] ?? {}, value) : value;
  }
  return merged;
}
