import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { addonKey, cacheFolder, hasAddon, installAddon } from "./addon.mjs";
import { installPackages, prepareApt } from "./apt.mjs";
import { build, hasBuild, sourceKey } from "./build.mjs";
import { SetupFailure } from "./failure.mjs";
import { withLock } from "./lock.mjs";
import { installModules, isInstalled } from "./npm.mjs";
import { createProgress } from "./progress.mjs";
import { fetchPromtool, findPromtool } from "./promtool.mjs";
import { findFile, missingPackages } from "./requirements.mjs";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

/**
 * Sets up what is missing, and returns at once when nothing is.
 *
 * @param {string} purpose `start`, `test`, or `package`: what making packages needs of npm, and no more
 */
export async function main(purpose) {
  try {
    if (!["start", "test", "package"].includes(purpose))
      throw new SetupFailure(`Set up for what, '${purpose}'? start, test or package.`);
    if (isReady(ROOT, purpose)) return;
    const lock = join(cacheFolder(), "setup.lock");
    await withLock(
      lock,
      () => setUp(ROOT, purpose),
      () => say("Another set-up is running; waiting for it."),
    );
  } catch (error) {
    if (!(error instanceof SetupFailure)) throw error;
    say(`\nemotiond cannot be set up. ${error.message}`);
    process.exitCode = 1;
  }
}

const say = (line) => process.stderr.write(`${line}\n`);

function isReady(root, purpose) {
  if (purpose === "package") return isInstalled(root);
  const stamp = readStamp(root);
  return (
    missingPackages(purpose).length === 0 &&
    isInstalled(root) &&
    hasAddon(root) &&
    stamp.addon === addonKey(root) &&
    hasBuild(root) &&
    stamp.build === sourceKey(root) &&
    !wantsPromtool(purpose, stamp)
  );
}

/** Once in vain is enough: a test is skipped without it. */
const wantsPromtool = (purpose, stamp) =>
  purpose === "test" && stamp.promtool === undefined && findPromtool() === undefined;

async function setUp(root, purpose) {
  const progress = createProgress();
  if (purpose === "package") {
    // Another set-up, which was waited for, may have done it.
    if (!isInstalled(root)) await progress.step("npm packages", (report) => installModules(root, report));
    return;
  }

  const packages = missingPackages(purpose);
  const prefix = packages.length === 0 ? [] : await prepareApt(packages, thisSystem());
  await allOf([
    packages.length > 0 &&
      progress.step("Debian packages", (report) => installPackages(packages, prefix, report)),
    !isInstalled(root) && progress.step("npm packages", (report) => installModules(root, report)),
  ]);
  const stillMissing = missingPackages(purpose);
  if (stillMissing.length > 0) {
    throw new SetupFailure(
      `apt installed ${stillMissing.join(", ")}, but what emotiond looks for in them is not there.`,
    );
  }

  const stamp = readStamp(root);
  const remember = (done) => writeFileSync(stampFile(root), JSON.stringify(Object.assign(stamp, done)));
  const addon = addonKey(root);
  const sources = sourceKey(root);
  await allOf([
    (!hasAddon(root) || stamp.addon !== addon) &&
      progress
        .step("OpenCV addon (compiled once)", (report) => installAddon(root, addon, report))
        .then(() => remember({ addon })),
    (!hasBuild(root) || stamp.build !== sources) &&
      progress.step("emotiond", () => build(root)).then(() => remember({ build: sources })),
    wantsPromtool(purpose, stamp) &&
      progress
        .step("promtool", fetchPromtool)
        .then((got) => remember({ promtool: got ? "fetched" : "none" })),
  ]);
}

/** Waits for every step before it fails for the first that failed: none is left running behind the message. */
async function allOf(steps) {
  const results = await Promise.allSettled(steps);
  const failed = results.find(({ status }) => status === "rejected");
  if (failed) throw failed.reason;
}

function thisSystem() {
  return {
    uid: process.getuid(),
    has: (program) => findFile({ program }) !== undefined,
    terminal: process.stdin.isTTY === true && process.stderr.isTTY === true,
    say,
  };
}

/** In node_modules, so that it goes when they go. */
const stampFile = (root) => join(root, "node_modules", ".emotiond-setup.json");

function readStamp(root) {
  try {
    return JSON.parse(readFileSync(stampFile(root), "utf8"));
  } catch {
    // None yet, or half a one: everything is checked again.
    return {};
  }
}
