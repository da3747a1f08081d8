import { environmentWarnings } from "../config/environment.js";
import { loadForRun } from "../config/files.js";

/** Validates a configuration file and that the files it names are there; `main` prints the problems of a ConfigError. */
export async function check(file: string): Promise<number> {
  await loadForRun(file);
  for (const warning of environmentWarnings(process.env)) process.stderr.write(`warning: ${warning}\n`);
  process.stdout.write(`${file}: ok\n`);
  return 0;
}
