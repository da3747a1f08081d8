import { existsSync } from "node:fs";
import { join } from "node:path";
import { MANIFEST_FILE, modelFolder } from "../base/model-folder.js";
import { loadConfig } from "./load.js";
import { ConfigError, type ConfigProblem } from "./problem.js";
import type { Config } from "./schema.js";

/**
 * Reads a configuration file for a daemon that is to run by it.
 *
 * @throws ConfigError with what is wrong in it, or with the files it names that are not there.
 */
export async function loadForRun(file: string): Promise<Config> {
  const config = await loadConfig(file);
  requireFiles(config);
  return config;
}

/**
 * Refuses a configuration that names files which are not there: every start would fail by it. Whether they can be read
 * is another's question, for `check` may be run by somebody else than the daemon.
 *
 * @throws ConfigError with each of them.
 */
function requireFiles({ mqtt, http, emotion }: Config): void {
  const named: readonly (readonly [path: string, file: string | undefined])[] = [
    ["mqtt.passwordFile", mqtt.passwordFile],
    ["mqtt.ca", mqtt.ca],
    ["mqtt.cert", mqtt.cert],
    ["mqtt.key", mqtt.key],
    ["http.tokenFile", http.tokenFile],
  ];
  const problems: ConfigProblem[] = named
    .filter(([, file]) => file !== undefined && !existsSync(file))
    .map(([path, file]) => ({ path, message: `must name a file that is there; there is no ${file}` }));
  const model = modelFolder(emotion.model);
  if (!existsSync(join(model, MANIFEST_FILE))) {
    problems.push({
      path: "emotion.model",
      message: `must be a folder with a ${MANIFEST_FILE}; there is none in ${model}`,
    });
  }
  if (problems.length > 0) throw new ConfigError(problems);
}
