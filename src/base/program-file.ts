import { resolve } from "node:path";
import { fileURLToPath } from "node:url";

const PROGRAM = fileURLToPath(new URL("../..", import.meta.url));

/**
 * Where a file is that the program loads, such as a model. A relative path is looked for beside the program alone: in
 * the working directory anybody may have put it, and root runs `doctor` anywhere.
 */
export function programFile(path: string): string {
  return resolve(PROGRAM, path);
}
