import { copyFileSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cacheFolder } from "./addon.mjs";
import { findFile } from "./requirements.mjs";
import { run } from "./run.mjs";

/** Prometheus' checker of rules and metrics; undefined where there is none. */
export function findPromtool() {
  const own = join(cacheFolder(), "promtool");
  return findFile({ program: "promtool" }) ?? (existsSync(own) ? own : undefined);
}

/**
 * Takes promtool out of the package `prometheus`, without installing that: it would start a Prometheus.
 *
 * @returns {Promise<boolean>} false where apt does not give it; then the tests that need it are skipped
 */
export async function fetchPromtool(report) {
  const folder = mkdtempSync(join(tmpdir(), "emotiond-promtool-"));
  try {
    report("apt-get download prometheus");
    const shell = [
      "apt-get -q download prometheus",
      "dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x ./usr/bin/promtool",
    ].join(" && ");
    const { code } = await run("sh", ["-c", shell], { cwd: folder });
    if (code !== 0) return false;
    const place = join(cacheFolder(), "promtool");
    mkdirSync(cacheFolder(), { recursive: true });
    // Under another name first: half a program must never be found.
    copyFileSync(join(folder, "usr/bin/promtool"), `${place}.new`);
    renameSync(`${place}.new`, place);
    return true;
  } catch {
    return false;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
