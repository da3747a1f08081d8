import { readFile } from "node:fs/promises";
import { parseDocument } from "yaml";
import { isLoopback, listenAddress } from "../http/access.js";
import { cascadeFile } from "../vision/cascade-file.js";
import { fromEnvironment, overlay } from "./environment.js";
import { ConfigError, type ConfigProblem, problemsOf } from "./problem.js";
import { type Config, configSchema } from "./schema.js";

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
  const result = configSchema.safeParse(overlay(fromFile, values), { reportInput: true });
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
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new ConfigError([{ path: file, message: "is not UTF-8 text; give a YAML file" }]);
  }
}

function reasonOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === "ENOENT") return "there is no such file";
  if (code === "EACCES")
    return "permission denied; use sudo, or make it readable for the user that runs emotiond";
  if (code === "EISDIR") return "it is a directory; name the file in it";
  return code ?? String(error);
}

function parseYaml(text: string, file: string): unknown {
  // Aliases could make a small file expand without bound; a configuration needs none.
  const document = parseDocument(text, {
    prettyErrors: true,
    strict: true,
    uniqueKeys: true,
    logLevel: "silent",
  });
  const broken = document.errors[0];
  if (broken !== undefined) {
    throw new ConfigError([{ path: file, message: `is not valid YAML: ${broken.message.split("\n")[0]}` }]);
  }
  try {
    return (document.toJS({ maxAliasCount: 0 }) as unknown) ?? {};
  } catch (error) {
    throw new ConfigError([{ path: file, message: `is not usable YAML: ${(error as Error).message}` }]);
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
  const isAddress = /^[a-z][a-z0-9+.-]*:\/\//i.test(source.uri) && !source.uri.includes(" ! ");
  if (source.type === "video" && isAddress && !URL.canParse(source.uri)) {
    problems.push({ path: "source.uri", message: "must be an address such as rtsp://camera.lan:554/stream" });
  }
  if (mqtt.passwordFile !== undefined && mqtt.username === undefined) {
    problems.push({ path: "mqtt.username", message: "must be set too: a password needs a user name" });
  }
  const cascade = cascadeFile(config.detector.cascade);
  if ("problem" in cascade) problems.push({ path: "detector.cascade", message: cascade.problem });
  const address = listenAddress(config.http.listen);
  if (address !== null && address.port > 65_535) {
    problems.push({ path: "http.listen", message: `must have a port of at most 65535, not ${address.port}` });
  }
  if (address !== null && !isLoopback(address.host) && config.http.tokenFile === undefined) {
    problems.push({
      path: "http.tokenFile",
      message: `must name a file with a token: ${config.http.listen} can be reached from other machines; or listen on 127.0.0.1`,
    });
  }
  return problems;
}
