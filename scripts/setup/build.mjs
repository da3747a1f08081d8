import { createHash } from "node:crypto";
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { SetupFailure } from "./failure.mjs";
import { run, tail } from "./run.mjs";

export const hasBuild = (root) => existsSync(join(root, "dist", "main.js"));

/** Changes whenever a source file comes, goes or is written. */
export function sourceKey(root) {
  const hash = createHash("sha256");
  const files = readdirSync(join(root, "src"), { recursive: true }).map((name) => join("src", name));
  for (const file of [...files, "tsconfig.json"].sort()) {
    const { mtimeMs, size } = statSync(join(root, file));
    if (/\.(ts|json)$/.test(file)) hash.update(`${file} ${mtimeMs} ${size}\n`);
  }
  return hash.digest("hex");
}

/** Compiles src into dist. */
export async function build(root) {
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
  const { code, output } = await run(process.execPath, [tsc, "-p", "src"], { cwd: root });
  if (code !== 0) throw new SetupFailure(`The TypeScript sources do not compile:\n${tail(output, 20)}`);
}
