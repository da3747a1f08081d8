import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const CACHE = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "emotiond", "bench");

/** The other programs cannot be installed; the message has the cure. */
export class InstallError extends Error {
  override readonly name = "InstallError";
}

/** @throws InstallError when the broker that every contestant publishes to is missing. */
export function requireMosquitto(): void {
  if (!existsSync("/usr/sbin/mosquitto"))
    throw new InstallError("mosquitto is missing: sudo apt install mosquitto");
}

/** The npm packages of the other programs, apart from the project's. @returns the folder */
export function installPackages(): string {
  const folder = join(CACHE, "npm");
  const inputs = ["package.json", "package-lock.json", ".npmrc"];
  const done = upToDate(
    folder,
    inputs.map((name) => join(HERE, "npm", name)),
  );
  if (done === null) return folder;
  console.error(`bench: installing the other programs' npm packages into ${folder}, once`);
  for (const name of inputs) copyFileSync(join(HERE, "npm", name), join(folder, name));
  run(
    "npm",
    ["ci", "--ignore-scripts", "--no-audit", "--no-fund"],
    folder,
    "is the npm registry within reach?",
  );
  done();
  return folder;
}

/** Python's OpenCV and Keras in a virtual environment. @returns the interpreter */
export function installPython(): string {
  const folder = join(CACHE, "venv");
  const requirements = join(HERE, "requirements.txt");
  const python = join(folder, "bin", "python");
  const done = upToDate(folder, [requirements]);
  if (done === null) return python;
  console.error(`bench: installing OpenCV and Keras for Python into ${folder}, once (1.7 GB)`);
  const inHere = process.cwd();
  run(
    "python3",
    ["-m", "venv", "--clear", folder],
    inHere,
    "it needs Python 3.11 or later, and python3-venv",
  );
  run(
    python,
    ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", requirements],
    inHere,
    "it needs Python 3.11 to 3.13, and PyPI within reach",
  );
  done();
  return python;
}

/** @returns null when the folder holds what the inputs ask for; else what writes down that it does. */
function upToDate(folder: string, inputs: readonly string[]): (() => void) | null {
  mkdirSync(folder, { recursive: true });
  const hash = createHash("sha256");
  for (const input of inputs) hash.update(readFileSync(input));
  const want = hash.digest("hex");
  const stamp = join(folder, ".installed");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === want) return null;
  rmSync(stamp, { force: true });
  return () => writeFileSync(stamp, want);
}

function run(program: string, args: readonly string[], cwd: string, cure: string): void {
  const { status, error, stderr } = spawnSync(program, args, {
    cwd,
    stdio: ["ignore", "ignore", "pipe"],
    encoding: "utf8",
  });
  if (status === 0) return;
  throw new InstallError(
    `${program} ${args.join(" ")} failed: ${error?.message ?? stderr.trim().split("\n").slice(-6).join("\n")}\n${cure}`,
  );
}
