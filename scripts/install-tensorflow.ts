/**
 * `npm run tensorflow`: makes @tensorflow/tfjs-node work on this machine.
 *
 * The package's own download of libtensorflow comes first; where its host is out of reach, the library is taken
 * from PyPI's TensorFlow wheel, and the addon is built against it. The daemon runs without TensorFlow: only
 * training and the `tensorflow` engine need it.
 *
 *     tsx scripts/install-tensorflow.ts [--wheel FILE]
 */
import { execFileSync, spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { createRequire } from "node:module";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";

/** The last version whose C API was tried with tfjs-node 4.22.0; 2.9.1 is what tfjs-node was built for. */
const TENSORFLOW_VERSION = "2.21.0";

interface Wheel {
  readonly project: string;
  readonly platform: string;
}

/** PyPI has no `tensorflow-cpu` for aarch64; its plain `tensorflow` is CPU-only there. */
const WHEELS: Readonly<Record<string, Wheel>> = {
  x64: { project: "tensorflow-cpu", platform: "manylinux_2_27_x86_64" },
  arm64: { project: "tensorflow", platform: "manylinux_2_27_aarch64" },
};

class InstallError extends Error {
  override readonly name = "InstallError";
}

const require = createRequire(import.meta.url);

function packageFolder(): string {
  try {
    return dirname(require.resolve("@tensorflow/tfjs-node/package.json"));
  } catch {
    throw new InstallError(
      "@tensorflow/tfjs-node is not in node_modules; run: npm install --ignore-scripts @tensorflow/tfjs-node@4.22.0",
    );
  }
}

/** Loads the addon in a process of its own and checks a 3 × 3 convolution of ones against its known sum. */
function convolutionWorks(): boolean {
  const program = `
    const tf = require(${JSON.stringify(packageFolder())});
    const y = tf.conv2d(tf.ones([1, 8, 8, 2]), tf.ones([3, 3, 2, 4]), 1, "same");
    const sum = y.sum().dataSync()[0];
    if (sum !== 4 * 2 * (36 * 9 + 24 * 6 + 4 * 4)) throw new Error("wrong sum " + sum);`;
  const check = spawnSync(process.execPath, ["-e", program], { stdio: "ignore", timeout: 120_000 });
  return check.status === 0;
}

function run(program: string, args: readonly string[], cwd: string, env: NodeJS.ProcessEnv = {}): void {
  execFileSync(program, args, { cwd, stdio: "inherit", env: { ...process.env, ...env } });
}

/** tfjs-node's own way: downloads libtensorflow and a prebuilt addon. False where its host is out of reach. */
async function ownDownload(folder: string): Promise<boolean> {
  const host = process.env.TFJS_NODE_CDN_STORAGE ?? "https://storage.googleapis.com/";
  try {
    await fetch(host, { method: "HEAD", signal: AbortSignal.timeout(5000) });
  } catch {
    return false;
  }
  const install = spawnSync(process.execPath, ["scripts/install.js"], { cwd: folder, stdio: "inherit" });
  return install.status === 0 && convolutionWorks();
}

function cacheFolder(): string {
  const root = process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache");
  return join(root, "emotiond", `tensorflow-${TENSORFLOW_VERSION}-${process.arch}`);
}

function downloadWheel(into: string): string {
  const wheel = WHEELS[process.arch];
  if (wheel === undefined)
    throw new InstallError(`no TensorFlow wheel for ${process.arch}: x64 and arm64 have one`);
  // The wheel's Python version does not matter, only the C library in it: pip may be of any version itself.
  const target = [
    "--python-version",
    "3.11",
    "--implementation",
    "cp",
    "--abi",
    "cp311",
    "--platform",
    wheel.platform,
  ];
  const requirement = `${wheel.project}==${TENSORFLOW_VERSION}`;
  const common = ["-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--dest", into];
  try {
    run("python3", [...common, ...target, requirement], into);
  } catch (cause) {
    throw new InstallError(
      `pip could not download ${requirement}; it needs python3-pip (apt-get install python3-pip), a network and 300 MB; or pass --wheel FILE`,
      { cause },
    );
  }
  const file = readdirSync(into).find((name) => name.endsWith(".whl"));
  if (file === undefined) throw new InstallError(`pip left no wheel in ${into}`);
  return join(into, file);
}

const UNPACK = `
import sys, zipfile
wheel, into = sys.argv[1:]
with zipfile.ZipFile(wheel) as z:
    z.extractall(into, [n for n in z.namelist()
        if n.startswith(("tensorflow/include/", "tensorflow/libtensorflow_cc.so", "tensorflow/libtensorflow_framework.so"))])
`;

/** The cache folder with `lib/` and `include/`, filled once; a broken download never leaves a half-filled one. */
function fillCache(wheelFile: string | undefined): string {
  const cache = cacheFolder();
  if (existsSync(join(cache, "lib"))) return cache;
  mkdirSync(dirname(cache), { recursive: true });
  const work = mkdtempSync(`${cache}-`);
  try {
    const wheel = wheelFile === undefined ? downloadWheel(work) : resolve(wheelFile);
    const unpacked = join(work, "unpacked");
    run("python3", ["-c", UNPACK, wheel, unpacked], work);
    const ready = join(work, "ready");
    const lib = join(ready, "lib");
    mkdirSync(lib, { recursive: true });
    for (const name of readdirSync(join(unpacked, "tensorflow"))) {
      if (name.startsWith("libtensorflow")) renameSync(join(unpacked, "tensorflow", name), join(lib, name));
    }
    for (const name of ["libtensorflow_cc.so.2", "libtensorflow_framework.so.2"]) {
      if (!existsSync(join(lib, name))) throw new InstallError(`${wheel} has no ${name}`);
    }
    // The C API that tfjs-node links as libtensorflow lives in the C++ library of the wheel.
    symlinkSync("libtensorflow_cc.so.2", join(lib, "libtensorflow.so"));
    symlinkSync("libtensorflow_framework.so.2", join(lib, "libtensorflow_framework.so"));
    renameSync(join(unpacked, "tensorflow", "include"), join(ready, "include"));
    renameSync(ready, cache);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return cache;
}

/** Builds the addon against the cached library, or takes the one built before for this Node. */
function buildAddon(folder: string, cache: string): void {
  rmSync(join(folder, "deps"), { recursive: true, force: true });
  mkdirSync(join(folder, "deps"));
  // Links, not copies: the library has 600 MB. The addon finds it by its path relative to itself.
  symlinkSync(join(cache, "lib"), join(folder, "deps", "lib"));
  symlinkSync(join(cache, "include"), join(folder, "deps", "include"));
  const kept = join(cache, `addon-node${process.versions.modules}`);
  const built = join(folder, "lib");
  if (existsSync(kept)) {
    cpSync(kept, built, { recursive: true });
    if (convolutionWorks()) return;
  }
  const prefix = dirname(dirname(process.execPath));
  // Headers that came with this Node spare node-gyp a download that may not be possible.
  const headers = existsSync(join(prefix, "include", "node", "node_api.h"))
    ? { npm_config_nodedir: prefix }
    : {};
  const preGyp = require.resolve("@mapbox/node-pre-gyp/bin/node-pre-gyp", { paths: [folder] });
  run(process.execPath, [preGyp, "install", "--build-from-source"], folder, {
    ...headers,
    PATH: `${nodeGypPath(folder)}:${process.env.PATH ?? ""}`,
  });
  rmSync(kept, { recursive: true, force: true });
  cpSync(built, kept, { recursive: true });
}

function nodeGypPath(folder: string): string {
  return resolve(folder, "..", "..", ".bin");
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { wheel: { type: "string" } } });
  const folder = packageFolder();
  if (convolutionWorks()) {
    console.log("TensorFlow is installed and computes a convolution.");
    return;
  }
  const ready = values.wheel === undefined && !existsSync(cacheFolder()) && (await ownDownload(folder));
  if (!ready) {
    console.log(`Taking libtensorflow from the wheel of TensorFlow ${TENSORFLOW_VERSION}.`);
    buildAddon(folder, fillCache(values.wheel));
    if (!convolutionWorks()) {
      throw new InstallError(
        "the addon was built, but a convolution fails; the build needs g++, make and python3 (apt-get install build-essential)",
      );
    }
  }
  console.log("TensorFlow is ready: a convolution gave the right sum.");
}

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
