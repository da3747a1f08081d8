import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { SetupFailure } from "./failure.mjs";
import { run, tail } from "./run.mjs";

/** Whether node_modules is what package-lock.json asks for, judged by npm's own record of its last installation. */
export function isInstalled(root) {
  const record = join(root, "node_modules", ".package-lock.json");
  return existsSync(record) && statSync(record).mtimeMs >= statSync(join(root, "package-lock.json")).mtimeMs;
}

/**
 * Installs the npm packages. Their own install scripts stay out: three of them would download libraries or compile
 * with the wrong settings, and set-up does what is left to do.
 *
 * @param {(detail: string) => void} report
 */
export async function installModules(root, report) {
  const npm = process.env.npm_execpath;
  const [program, ...prefix] = npm?.endsWith(".js") ? [process.execPath, npm] : ["npm"];
  report("npm ci");
  const { code, output } = await run(
    program,
    // dev and optional even under NODE_ENV=production: the compiler is among them.
    [
      ...prefix,
      ...["ci", "--ignore-scripts", "--include=dev", "--include=optional", "--no-audit", "--no-fund"],
      // npm's own pauses add up to five minutes before it says that there is no network.
      ...["--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000"],
    ],
    { cwd: root },
  );
  if (code === 0) return;
  if (code === 127)
    throw new SetupFailure("npm is not in PATH: install it together with Node.js, and start again.");
  if (/ENOTFOUND|EAI_AGAIN|ETIMEDOUT|ECONNREFUSED|ENETUNREACH/.test(output)) {
    throw new SetupFailure(
      `npm cannot reach its registry: is the network up? Then start again.\n${tail(output, 4)}`,
    );
  }
  if (/ENOSPC/.test(output))
    throw new SetupFailure("The disk is full: emotiond's npm packages take about 900 MB.");
  throw new SetupFailure(`npm ci failed:\n${tail(output)}`);
}
