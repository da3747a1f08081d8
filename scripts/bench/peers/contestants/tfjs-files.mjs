import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Loads from the folder that the runner installed the other programs' packages into. */
export const requirePeer = createRequire(join(process.env.BENCH_PACKAGES ?? "", "package.json"));

/** Where a package of theirs is. Its files are loaded by their paths: not all of them are exported. */
export function peerFolder(name) {
  return join(process.env.BENCH_PACKAGES ?? "", "node_modules", name);
}

/** Without tfjs-node, tfjs reads models with fetch alone, and Node's does not know files. */
export function fetchFiles() {
  const over = globalThis.fetch;
  globalThis.fetch = async (address, options) =>
    String(address).startsWith("file:")
      ? new Response(await readFile(fileURLToPath(String(address))))
      : over(address, options);
}
