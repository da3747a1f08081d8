import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { availableParallelism, homedir } from "node:os";
import { dirname, join } from "node:path";
import { SetupFailure } from "./failure.mjs";
import { findFile } from "./requirements.mjs";
import { run, tail } from "./run.mjs";

/**
 * What emotiond links of OpenCV, in place of all that is installed: the whole brings Qt, VTK and 250 more libraries
 * into the process, and takes three times as long to compile.
 */
const LINKED = ["core", "imgproc", "imgcodecs", "videoio", "objdetect"];
/** The addon compiles its reading and writing of pictures only where highgui is there; no window is ever opened. */
const COMPILED = [...LINKED, "highgui"];

/** Memory that the compiler takes for the largest file. */
const MIB_PER_JOB = 1000;

export function cacheFolder() {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "emotiond");
}

const packageFolder = (root) => join(root, "node_modules", "@u4", "opencv4nodejs");
const installedAddon = (root) => join(packageFolder(root), "build", "Release", "opencv4nodejs.node");

/** What the compiled addon depends on; a different key is a different addon. Undefined while OpenCV is missing. */
export function addonKey(root) {
  const header = findFile({ header: "opencv2/core/version.hpp" });
  const manifest = join(packageFolder(root), "package.json");
  if (header === undefined || !existsSync(manifest)) return undefined;
  const text = readFileSync(header, "utf8");
  const number = (name) => new RegExp(`#define CV_VERSION_${name}\\s+(\\d+)`).exec(text)?.[1];
  const { version } = JSON.parse(readFileSync(manifest, "utf8"));
  const opencv = [number("MAJOR"), number("MINOR"), number("REVISION")].join(".");
  return `${version}-${process.versions.modules}-${opencv}-${process.arch}`;
}

export const hasAddon = (root) => existsSync(installedAddon(root));

/**
 * Puts the addon in its place in node_modules: from the cache, or compiled and put into the cache.
 *
 * @param {(detail: string) => void} report
 */
export async function installAddon(root, key, report) {
  const cached = join(cacheFolder(), "opencv4nodejs", key, "opencv4nodejs.node");
  if (existsSync(cached)) {
    place(cached, installedAddon(root));
    // Good when it was put there, but a library that it needs may have gone since.
    if ((await complaint(root)) === undefined) return;
  }
  await compile(root, report);
  report("trying it");
  const problem = await complaint(root);
  if (problem !== undefined) {
    rmSync(installedAddon(root), { force: true });
    throw new SetupFailure(`The OpenCV addon was compiled, but does not load:\n${tail(problem, 6)}`);
  }
  place(installedAddon(root), cached);
}

/** Copies under a name of its own, then renames: nobody ever sees half a file. */
function place(from, to) {
  mkdirSync(dirname(to), { recursive: true });
  const part = `${to}.${process.pid}`;
  copyFileSync(from, part);
  renameSync(part, to);
}

/** What is wrong with the installed addon, found by loading it in a process of its own. */
async function complaint(root) {
  const script = `const cv = require(${JSON.stringify(packageFolder(root))});
    new cv.CascadeClassifier(cv.HAAR_FRONTALFACE_DEFAULT); new cv.Mat(8, 8, cv.CV_8UC1, 0).resize(4, 4);
    cv.imencode(".jpg", new cv.Mat(8, 8, cv.CV_8UC3, [0, 0, 0]));`;
  const env = { ...process.env, OPENCV4NODEJS_DISABLE_AUTOBUILD: "1" };
  const { code, output } = await run(process.execPath, ["-e", script], { cwd: root, env });
  return code === 0 ? undefined : output || `it ended its process (exit code ${code})`;
}

async function compile(root, report) {
  const layout = join(packageFolder(root), "build", "opencv");
  rmSync(dirname(layout), { recursive: true, force: true });
  layOutOpenCv(layout, {
    headers: dirname(dirname(dirname(findFile({ header: "opencv2/core/version.hpp" })))),
    library: (module) => findFile({ library: `libopencv_${module}.so` }),
  });
  await compileAddon(root, { layout, nodedir: headersFolder(), flags: "-O1", report });
}

/**
 * Compiles the addon in its place in node_modules.
 *
 * @param {object} options
 * @param {string} options.layout what layOutOpenCv made
 * @param {string | undefined} options.nodedir the folder whose include/node has Node's headers; else they are downloaded
 * @param {string} options.flags for the compiler
 * @param {string[]} [options.gyp] arguments to `node-gyp configure`
 * @param {NodeJS.ProcessEnv} [options.env] such as CXX
 * @param {(detail: string) => void} options.report
 */
export async function compileAddon(root, { layout, nodedir, flags, gyp = [], env: extra = {}, report }) {
  const folder = packageFolder(root);
  const build = join(folder, "build");
  const env = { ...compileEnvironment(layout), ...extra };

  report("configuring");
  const program = join(root, "node_modules", "node-gyp", "bin", "node-gyp.js");
  const configured = await run(
    process.execPath,
    [program, "configure", ...(nodedir === undefined ? [] : [`--nodedir=${nodedir}`]), ...gyp],
    { cwd: folder, env },
  );
  if (configured.code !== 0) throw new SetupFailure(explainConfigure(configured.output, nodedir));

  report("preparing headers");
  const allFlags = await precompileHeaders(build, `${flags} -w`, env);

  const total = sourceCount(build);
  let compiled = 0;
  const made = await run("make", ["-C", build, "BUILDTYPE=Release", `-j${jobs()}`], {
    env: { ...env, CXXFLAGS: allFlags },
    onLine(line) {
      if (line.includes("CXX(target)")) compiled += 1;
      report(`file ${compiled} of ${total}`);
    },
  });
  if (made.code !== 0) {
    const killed = /Killed|internal compiler error/.test(made.output);
    throw new SetupFailure(
      `The OpenCV addon does not compile${killed ? ": the compiler was killed, which means too little memory; add swap" : ""}:\n${tail(made.output)}`,
    );
  }
  for (const leftover of ["opencv", "common.h", "common.h.gch", "Release/obj.target", "Release/.deps"]) {
    rmSync(join(build, leftover), { recursive: true, force: true });
  }
}

/**
 * The addon's build takes every library that it finds in a folder, and compiles what OpenCV's list of modules names.
 * So it is given a folder and a list with what emotiond uses, before OpenCV's own headers.
 *
 * @param {string} folder
 * @param {{headers: string, library: (module: string) => string}} opencv its include folder, and a library's path
 */
export function layOutOpenCv(folder, { headers, library }) {
  const { include, lib } = layoutFolders(folder);
  mkdirSync(join(include, "opencv2"), { recursive: true });
  mkdirSync(lib);
  symlinkSync(headers, join(include, "opencv4"));
  writeFileSync(
    join(include, "opencv2", "opencv_modules.hpp"),
    COMPILED.map((module) => `#define HAVE_OPENCV_${module.toUpperCase()}\n`).join(""),
  );
  for (const module of LINKED) symlinkSync(library(module), join(lib, `libopencv_${module}.so`));
}

const layoutFolders = (folder) => ({ include: join(folder, "include"), lib: join(folder, "lib") });

function compileEnvironment(layout) {
  const { include, lib } = layoutFolders(layout);
  const env = {
    ...process.env,
    OPENCV4NODEJS_DISABLE_AUTOBUILD: "1",
    OPENCV_INCLUDE_DIR: include,
    OPENCV_LIB_DIR: lib,
    OPENCV_BIN_DIR: "/usr/bin",
  };
  // Someone's .npmrc may name another Node's headers; the right ones are given on the command line.
  for (const name of Object.keys(env)) if (name.toLowerCase() === "npm_config_nodedir") delete env[name];
  return env;
}

const NODE_FOLDER = join(dirname(process.execPath), "..");

/**
 * A folder with this Node's headers: beside the running program (the npm package `node` keeps them in a package of
 * its own), or the system's. What counts is the ABI. Undefined
 * when there is none: then node-gyp downloads them.
 */
export function headersFolder(
  candidates = [
    NODE_FOLDER,
    join(NODE_FOLDER, "node_modules", `node-linux-${process.arch}`),
    process.env.npm_config_nodedir,
    "/usr",
    "/usr/local",
  ],
  abi = process.versions.modules,
) {
  return candidates.find((folder) => {
    const header = folder && join(folder, "include", "node", "node_version.h");
    if (!header || !existsSync(header)) return false;
    return new RegExp(`#define NODE_MODULE_VERSION ${abi}\\b`).test(readFileSync(header, "utf8"));
  });
}

/**
 * Parses what nearly every file includes once, not eighty times: compiling then takes half as long. Optimisation
 * hardly matters, as the addon only passes arguments on. Where this fails, the addon compiles all the same.
 */
async function precompileHeaders(build, flags, env) {
  const header = join(build, "common.h");
  const object = "Release/obj.target/opencv4nodejs/cc/core/Size.o";
  writeFileSync(
    header,
    '#include "NativeNodeUtils.h"\n#include <opencv2/core.hpp>\n#include <opencv2/imgproc.hpp>\n',
  );
  const plan = await run("make", ["-C", build, "-n", "V=1", "BUILDTYPE=Release", object], {
    env: { ...env, CXXFLAGS: flags },
  });
  const command = plan.output.split("\n").find((line) => /^\S+ -o \S+ \S+\/Size\.cc /.test(line));
  if (command === undefined || /\s/.test(header)) return flags;
  const precompile = command
    .replace(/ -o \S+ \S+/, ` -x c++-header -o '${header}.gch' '${header}'`)
    .replace(/-MMD -MF \S+/, "");
  const { code } = await run("sh", ["-c", precompile], { cwd: build, env });
  return code === 0 ? `${flags} -include ${header}` : flags;
}

function sourceCount(build) {
  return (
    readFileSync(join(build, "opencv4nodejs.target.mk"), "utf8").match(/\$\(obj\)\.target\S+\.o/g)?.length ??
    0
  );
}

/** As many compilers as there are cores, but no more than fit into memory: a Pi with 1 GB has four cores. */
function jobs() {
  const available = /MemAvailable:\s+(\d+) kB/.exec(readFileSync("/proc/meminfo", "utf8"))?.[1];
  const fitting = available === undefined ? 1 : Math.floor(Number(available) / 1024 / MIB_PER_JOB);
  return Math.max(1, Math.min(availableParallelism(), fitting));
}

function explainConfigure(output, nodedir) {
  if (
    nodedir === undefined &&
    /ENOTFOUND|EAI_AGAIN|ETIMEDOUT|ECONNREFUSED|ENETUNREACH|certificate|40\d/.test(output)
  ) {
    return `The headers of Node.js ${process.version} are not on this machine (nothing in ${join(NODE_FOLDER, "include", "node")}) and could not be downloaded from nodejs.org: connect to the network, or install Node.js from nodejs.org's archive, which has them.\n${tail(output, 4)}`;
  }
  return `The OpenCV addon's build could not be configured:\n${tail(output)}`;
}
