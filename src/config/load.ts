import { isUtf8 } from "node:buffer";
import { readFile } from "node:fs/promises";
import { cascadeFile } from "../base/cascade-file.js";
import { rememberSecretsIn } from "../base/secrets.js";
import { isThisMachine } from "../base/this-machine.js";
import { fromEnvironment, overlay, withoutEmptySections } from "./environment.js";
import { listenAddress } from "./listen-address.js";
import { ConfigError, type ConfigProblem, problemsOf } from "./problem.js";
import { type Config, configSchema } from "./schema.js";
import { videoUriFault } from "./video-uri.js";
import { parseYaml } from "./yaml.js";

/** A configuration file is text that people write; more than this is no configuration. */
const MAX_BYTES = 1024 * 1024;

/**
 * Reads a configuration file and lays the environment over it.
 *
 * @throws ConfigError with every problem found: the file, its YAML, each key.
 */
export async function loadConfig(
  file: string,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<Config> {
  return parseConfig(await readText(file), file, environment);
}

/** The configuration of an empty file: the defaults, and what the environment sets. */
export function defaultConfig(environment: NodeJS.ProcessEnv = {}): Config {
  return parseConfig("", "(defaults)", environment);
}

/**
 * Checks the text of a configuration file.
 *
 * @param file the name that problems of the text as a whole carry.
 * @throws ConfigError with every problem found.
 */
export function parseConfig(text: string, file: string, environment: NodeJS.ProcessEnv = {}): Config {
  const fromFile = parseYaml(text, file);
  const { values, problems } = fromEnvironment(environment);
  const given = overlay(fromFile, values);
  rememberSecrets(given);
  const result = configSchema.safeParse(withoutEmptySections(given), { reportInput: true });
  const all: ConfigProblem[] = [...problems];
  if (!result.success) all.push(...problemsOf(result.error));
  else all.push(...contradictions(result.data));
  if (all.length > 0 || !result.success) throw new ConfigError(all);
  return result.data;
}

async function readText(file: string): Promise<string> {
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (error) {
    throw new ConfigError([{ path: file, message: `cannot be read: ${reasonOf(error)}` }]);
  }
  if (bytes.length > MAX_BYTES) {
    throw new ConfigError([
      { path: file, message: `is ${bytes.length} bytes; a configuration has at most 1 MiB` },
    ]);
  }
  const problem = textFault(bytes);
  if (problem !== null) throw new ConfigError([{ path: file, message: problem }]);
  return new TextDecoder().decode(bytes);
}

/** Why bytes are no text to be read as YAML, with the cure; null where they are. */
function textFault(bytes: Buffer): string | null {
  // With its mark or without: ASCII text has every other byte 0 then.
  if (/^(\xff\xfe|\xfe\xff|\0[^\0]|[^\0]\0)/s.test(bytes.toString("latin1", 0, 2)))
    return "is not UTF-8 text but UTF-16; save it as UTF-8";
  if (!isUtf8(bytes)) return "is not UTF-8 text; give a YAML file, saved as UTF-8";
  if (bytes.includes(0)) return "is not UTF-8 text: there is a NUL character in it; give a YAML file";
  return null;
}

function reasonOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === "ENOENT") return "there is no such file";
  if (code === "EACCES")
    return "permission denied; use sudo, or make it readable for the user that runs emotiond";
  if (code === "EISDIR") return "it is a directory; name the file in it";
  return code ?? String(error);
}

/** Also where they stand in a wrong place: what is then told of it may have half of one. */
function rememberSecrets(value: unknown, depth = 0): void {
  if (typeof value === "string") rememberSecretsIn(value);
  else if (typeof value === "object" && value !== null && depth < 5) {
    for (const entry of Object.values(value)) rememberSecrets(entry, depth + 1);
  }
}

/** Values that are fine alone and wrong together. */
function contradictions(config: Config): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const { mqtt, source } = config;
  if ((mqtt.cert === undefined) !== (mqtt.key === undefined)) {
    const missing = mqtt.cert === undefined ? "cert" : "key";
    problems.push({
      path: `mqtt.${missing}`,
      message: "must be set too: a client certificate needs cert and key",
    });
  }
  const secure = mqtt.url.startsWith("mqtts:") || mqtt.url.startsWith("wss:");
  if (!secure && (mqtt.ca !== undefined || mqtt.cert !== undefined)) {
    problems.push({
      path: "mqtt.url",
      message: "must be mqtts:// or wss:// for ca, cert and key to have effect",
    });
  }
  if (source.type === "libcamera" && source.loop) {
    problems.push({ path: "source.loop", message: "must be false for libcamera: a camera does not end" });
  }
  // Like everything above, what a start would refuse again and again.
  const uriFault = source.type === "video" ? videoUriFault(source.uri) : null;
  if (uriFault !== null) problems.push({ path: "source.uri", message: uriFault });
  if (mqtt.passwordFile !== undefined && mqtt.username === undefined) {
    problems.push({ path: "mqtt.username", message: "must be set too: a password needs a user name" });
  }
  const cascade = cascadeFile(config.detector.cascade);
  if ("problem" in cascade) problems.push({ path: "detector.cascade", message: cascade.problem });
  const address = listenAddress(config.http.listen);
  if (address !== null && address.port > 65_535) {
    problems.push({ path: "http.listen", message: `must have a port of at most 65535, not ${address.port}` });
  }
  if (address !== null && !isThisMachine(address.host) && config.http.tokenFile === undefined) {
    problems.push({
      path: "http.tokenFile",
      message: `must name a file with a token: ${config.http.listen} can be reached from other machines; or listen on 127.0.0.1`,
    });
  }
  return problems;
}
