import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..", "..");

export interface Prepared {
  readonly base: string;
  /** Where the package is, and its name. */
  readonly folder: string;
  readonly deb: string;
}

const TOOLS = [
  ["qemu-system-x86_64", "qemu-system-x86"],
  ["qemu-img", "qemu-utils"],
  ["mmdebstrap", "mmdebstrap"],
  ["mke2fs", "e2fsprogs"],
  ["mosquitto", "mosquitto"],
  ["lintian", "lintian"],
] as const;

/** What the test needs, made if it can be: the reason if it cannot. */
export async function prepare(): Promise<Prepared | string> {
  if (process.arch !== "x64") return "the virtual device is an x86-64 machine, and this is none";
  const missing = TOOLS.filter(([program]) => spawnSync("sh", ["-c", `command -v ${program}`]).status !== 0);
  if (missing.length > 0 && !install(missing.map(([, name]) => name))) {
    return `not installed, and cannot be: ${missing.map(([, name]) => name).join(", ")}`;
  }
  const folder = join(root, "dist", "deb");
  const deb = packageName();
  // Set to test a package that is already there.
  const kept = process.env.EMOTIOND_KEEP_DEB === "1" && existsSync(join(folder, deb));
  // apt's lock lets one of the two install at a time.
  if (!kept) await script("package/tools", "amd64");
  const [base] = await Promise.all([
    // It needs a Debian mirror, and the rights to make a root.
    script("system-test/base-image").catch((error: unknown) => error as Error),
    kept ? undefined : script("package/package", "amd64"),
  ]);
  return base instanceof Error ? `its Debian cannot be made here: ${base.message}` : { base, folder, deb };
}

/** What one of the project's scripts prints; how long it took is told. */
async function script(path: string, ...args: string[]): Promise<string> {
  const start = performance.now();
  const child = spawn(join(root, "scripts", path), args, { stdio: ["ignore", "pipe", "inherit"] });
  let out = "";
  child.stdout.on("data", (text: Buffer) => {
    out += text.toString();
  });
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`scripts/${path} ${args.join(" ")} ended with ${code}`);
  console.log(`scripts/${path} ${args.join(" ")}: ${((performance.now() - start) / 1000).toFixed(0)} s`);
  return out.trim();
}

function install(packages: string[]): boolean {
  const sudo = process.getuid?.() === 0 ? [] : ["sudo", "-n"];
  const apt = (...args: string[]) => {
    const [program = "", ...rest] = [...sudo, "apt-get", "-q", ...args];
    return spawnSync(program, rest, { stdio: "inherit" }).status === 0;
  };
  // A fresh machine has no package lists; where they cannot be fetched, those that are there may do.
  apt("update");
  return apt("install", "-y", "--no-install-recommends", ...packages);
}

/** The name of the package that `npm run package` made. */
function packageName(): string {
  const manifest = readFileSync(join(root, "package.json"), "utf8");
  return `emotiond_${(JSON.parse(manifest) as { version: string }).version}_amd64.deb`;
}
