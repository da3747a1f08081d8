import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..", "..");

const TOOLS = [
  ["qemu-system-aarch64", "qemu-system-arm"],
  ["mmdebstrap", "mmdebstrap"],
  ["aarch64-linux-gnu-g++", "g++-aarch64-linux-gnu"],
  ["cpio", "cpio"],
  ["dpkg-deb", "dpkg"],
] as const;

/** Why there can be no ARM machine here; undefined when there can. */
export function obstacle(): string | undefined {
  const missing = TOOLS.filter(([program]) => spawnSync("sh", ["-c", `command -v ${program}`]).status !== 0);
  if (missing.length === 0) return undefined;
  return `missing: sudo apt install ${missing.map(([, name]) => name).join(" ")}`;
}

const script = (path: string, ...args: string[]): string =>
  execFileSync(join(root, "scripts", path), args, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  }).trim();

/** A folder with `vmlinuz` and `root.cpio`. */
export const baseImage = (suite: string, kernel: string): string =>
  script("arm64-test/base-image", suite, kernel);

/** The package's path, made if need be: EMOTIOND_KEEP_DEB=1 takes one that is there. */
export function arm64Package(): string {
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
  const deb = join(root, "dist", "deb", `emotiond_${manifest.version}_arm64.deb`);
  if (process.env.EMOTIOND_KEEP_DEB !== "1" || !existsSync(deb)) script("package/package", "arm64");
  return deb;
}
