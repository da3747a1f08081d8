import { existsSync } from "node:fs";
import { isAbsolute, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * Where a model is: a relative path is looked up from the working directory, and then beside the program, so that
 * the shipped `models/emotion` is found from anywhere.
 */
export function modelFolder(path: string): string {
  if (isAbsolute(path) || existsSync(resolve(path))) return resolve(path);
  return join(fileURLToPath(new URL("../..", import.meta.url)), path);
}
