import { existsSync, readdirSync } from "node:fs";
import { SetupFailure } from "./failure.mjs";
import { run, tail } from "./run.mjs";

const LISTS = "/var/lib/apt/lists";

/**
 * Installs packages with apt, as root or through sudo.
 *
 * @param {string[]} packages
 * @param {{uid: number, has: (program: string) => boolean, terminal: boolean, say: (line: string) => void}} system
 */
export async function prepareApt(packages, system) {
  const byHand = `apt-get install --no-install-recommends ${packages.join(" ")}`;
  if (!system.has("apt-get")) {
    throw new SetupFailure(
      `This system has no apt. emotiond needs what Debian calls ${packages.join(", ")}: install them in your system's own way, and start again.`,
    );
  }
  if (system.uid === 0) return [];
  if (!system.has("sudo")) {
    throw new SetupFailure(
      `These packages are missing, and installing them takes root's rights, but there is no sudo. Let an administrator run:\n    ${byHand}`,
    );
  }
  system.say(
    `emotiond needs these packages, to compile its OpenCV addon and to run: ${packages.join(", ")}. Installing them with sudo, which may ask for your password.`,
  );
  // Asked for once, before the progress line is drawn over the question. Without a terminal nobody could answer.
  const sudo = system.terminal ? ["sudo"] : ["sudo", "-n"];
  const [program, ...args] = [...sudo, "-v"];
  const { code, output } = await run(program, args, { stdin: system.terminal ? "inherit" : "ignore" });
  if (code !== 0) {
    throw new SetupFailure(
      `sudo was refused:\n${tail(output, 3)}\n  Let an administrator run:\n    ${byHand}`,
    );
  }
  return [...sudo, "DEBIAN_FRONTEND=noninteractive"];
}

/**
 * @param {string[]} prefix from prepareApt
 * @param {(detail: string) => void} report
 */
export async function installPackages(packages, prefix, report) {
  const aptGet = (args, onLine) => {
    const [program, ...rest] = [...prefix, "apt-get", "-q", "-o", "DPkg::Lock::Timeout=300", ...args];
    return run(program, rest, { env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" }, onLine });
  };
  const install = () =>
    aptGet(["install", "-y", "--no-install-recommends", ...packages], countPackages(report));

  let result = { code: 1, output: "" };
  if (hasLists()) result = await install();
  if (result.code !== 0) {
    // No package lists yet, or lists so old that the files they name are gone from the mirror.
    report("reading package lists");
    const update = await aptGet(["update"]);
    result = await install();
    if (result.code !== 0) throw new SetupFailure(explain(packages, `${update.output}\n${result.output}`));
  }
}

function hasLists() {
  return (
    existsSync(LISTS) &&
    readdirSync(LISTS).some((name) => name.endsWith("_Packages") || name.includes("_Packages."))
  );
}

/** apt says how many packages are coming, then names each as it unpacks it and sets it up. */
export function countPackages(report) {
  let total = 0;
  let steps = 0;
  return (line) => {
    const planned = /^(\d+) upgraded, (\d+) newly installed/.exec(line);
    if (planned) total = Number(planned[1]) + Number(planned[2]);
    if (/^(Unpacking|Setting up) /.test(line)) steps += 1;
    if (total > 0) {
      report(steps === 0 ? `fetching ${total} packages` : `${Math.floor(steps / 2)} of ${total} packages`);
    }
  };
}

/** What apt's failure means for the person in front of it. */
export function explain(packages, output) {
  const byHand = `apt-get install --no-install-recommends ${packages.join(" ")}`;
  if (
    /Could not resolve|Temporary failure|Failed to fetch|Could not connect|Network is unreachable/.test(
      output,
    )
  ) {
    return `The packages ${packages.join(", ")} could not be fetched: is the network up? Then start again, or run as root:\n    ${byHand}\n${tail(output, 4)}`;
  }
  if (/Unable to locate package|has no installation candidate/.test(output)) {
    return `apt does not know every package that emotiond needs. On Ubuntu the 'universe' component has them (add-apt-repository universe); elsewhere see /etc/apt/sources.list.\n${tail(output, 4)}`;
  }
  return `apt could not install ${packages.join(", ")}:\n${tail(output)}`;
}
