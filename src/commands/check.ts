import { loadConfig } from "../config/load.js";

/** Validates a configuration file; the problems are ConfigError's, and `main` prints them. */
export async function check(file: string): Promise<number> {
  await loadConfig(file);
  process.stdout.write(`${file}: ok\n`);
  return 0;
}
