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

let allKeys: readonly ConfigKey[] | undefined;

/** All keys, in the schema's order. */
export function configKeys(): readonly ConfigKey[] {
  allKeys ??= keysBelow(z.toJSONSchema(configSchema, { io: "input" }) as JsonSchemaNode, []);
  return allKeys;
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
 * A variable that is no key is a problem where it was meant to be one, and `unknown` where it was not: in Kubernetes a
 * service called `emotiond` sets `EMOTIOND_PORT`.
 */
export function fromEnvironment(environment: NodeJS.ProcessEnv): {
  readonly values: Record<string, unknown>;
  readonly problems: readonly ConfigProblem[];
  /** Variables with our prefix that were hardly meant for us. */
  readonly unknown: readonly string[];
} {
  const keys = new Map(configKeys().map((key) => [key.environment.replaceAll("_", ""), key]));
  const values: Record<string, unknown> = {};
  const problems: ConfigProblem[] = [];
  const unknown: string[] = [];
  for (const [name, text] of Object.entries(environment)) {
    if (!name.startsWith(ENVIRONMENT_PREFIX) || text === undefined || text === "") continue;
    const key = keys.get(name.toUpperCase().replaceAll("_", ""));
    if (key === undefined) {
      const problem = meantAsKey(name, text, keys);
      if (problem !== null) problems.push({ path: name, message: problem });
      else unknown.push(name);
      continue;
    }
    setPath(values, key.path.split("."), isText(key.type) ? text : parseValue(text));
  }
  return { values, problems, unknown };
}

/**
 * What Kubernetes and Docker set for each service beside them: one that is called `emotiond`, or `emotiond-mqtt`, has
 * the prefix of our variables. `_PORT` alone may be somebody's guess at a key, unless its value is theirs.
 */
const FROM_ORCHESTRATOR =
  /_SERVICE_(HOST|PORT)(_\w+)?$|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$|_ENV_\w+$/;
const FROM_LINK = /^(tcp|udp|sctp):\/\/|^\/[\w.-]+\/[\w.-]+$/;

/**
 * Whether a variable that names no key was meant to: it begins with a section's name, or is a slip away from a key's.
 *
 * @param name with its prefix
 * @returns what is wrong, or null where it is somebody else's variable
 */
function meantAsKey(name: string, value: string, keys: ReadonlyMap<string, ConfigKey>): string | null {
  if (FROM_ORCHESTRATOR.test(name)) return null;
  if (/_(PORT|NAME)$/.test(name) && FROM_LINK.test(value)) return null;
  const plain = name.toUpperCase().replaceAll("_", "");
  const [near] = [...keys]
    .map(([known, key]) => ({ key, slips: slipsBetween(plain, known) }))
    .filter(
      ({ key, slips }) => slips <= 1 || (slips === 2 && isSlip(plain, key.environment.replaceAll("_", ""))),
    )
    .sort((a, b) => a.slips - b.slips);
  const longer = [...keys].find(
    ([known]) => plain.length > PREFIX_LENGTH + 4 && known.startsWith(plain),
  )?.[1];
  const hint = near?.key ?? longer;
  if (hint !== undefined)
    return `no key of the configuration has this name; ${hint.environment} is ${hint.path}`;
  const [first = ""] = name.slice(ENVIRONMENT_PREFIX.length).toUpperCase().split("_");
  const isSection = [...keys.values()].some(
    ({ path }) => path.includes(".") && path.split(".")[0]?.toUpperCase() === first,
  );
  return isSection
    ? `no key of the section ${first.toLowerCase()} has this name; remove the variable, or see \`emotiond schema config\``
    : null;
}

const PREFIX_LENGTH = ENVIRONMENT_PREFIX.replaceAll("_", "").length;

const MOST_SLIPS = 2;

/** Two letters that differ are a slip where they changed places, or in a long name: CERT is no slip of PORT. */
function isSlip(one: string, other: string): boolean {
  const letters = (name: string) => [...name].sort().join("");
  return one.length - PREFIX_LENGTH > 10 || letters(one) === letters(other);
}

/** Letters to add, take away or change to make one name of the other (Levenshtein's distance). */
function slipsBetween(one: string, other: string): number {
  if (Math.abs(one.length - other.length) > MOST_SLIPS) return Number.POSITIVE_INFINITY;
  let above = Array.from({ length: other.length + 1 }, (_, column) => column);
  for (const [row, letter] of [...one].entries()) {
    const line = [row + 1];
    for (const [column, against] of [...other].entries()) {
      line.push(
        Math.min(
          (line[column] ?? 0) + 1,
          (above[column + 1] ?? 0) + 1,
          (above[column] ?? 0) + (letter === against ? 0 : 1),
        ),
      );
    }
    above = line;
  }
  return above.at(-1) ?? 0;
}

/** A line for each variable with our prefix that sets nothing; its value is not shown. */
export function environmentWarnings(environment: NodeJS.ProcessEnv): string[] {
  return fromEnvironment(environment).unknown.map(
    (name) => `${name}: no key of the configuration has this name; the variable is ignored`,
  );
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
 * The tree without sections that have nothing in them: `mqtt:` with all of its keys commented out is the defaults, as
 * if it were not there.
 */
export function withoutEmptySections(tree: unknown): unknown {
  const sections = new Set(
    configKeys().flatMap(({ path }) =>
      path.split(".").map((_, depth, names) => names.slice(0, depth).join(".")),
    ),
  );
  const clean = (value: unknown, path: string): unknown => {
    if (!isTree(value)) return value;
    const filled = Object.entries(value).flatMap(([name, below]): [string, unknown][] => {
      const at = path === "" ? name : `${path}.${name}`;
      return below === null && sections.has(at) ? [] : [[name, clean(below, at)]];
    });
    return Object.fromEntries(filled);
  };
  return clean(tree, "");
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
