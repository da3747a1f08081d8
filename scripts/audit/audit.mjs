import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { judge } from "./judge.mjs";

/**
 * `npm audit` of what emotiond runs with. Exit 0: nothing that is not answered in answered.json; 1: something is; 77:
 * the registry has no audit to offer, so nothing is known.
 */
const answers = JSON.parse(readFileSync(new URL("answered.json", import.meta.url), "utf8"));
const { stdout, stderr } = spawnSync("npm", ["audit", "--omit=dev", "--json"], { encoding: "utf8" });
let report = {};
try {
  report = JSON.parse(stdout);
} catch {
  report = { message: stderr.trim().split("\n").at(-1) };
}
const verdict = judge(report, answers);
if (verdict.kind === "unreachable") {
  console.log(`not checked: the registry's audit is not reachable (${verdict.why})`);
  process.exitCode = 77;
} else {
  for (const finding of verdict.open) console.log(`open: ${finding}`);
  for (const finding of verdict.answered) console.log(`answered: ${finding}`);
  for (const advisory of verdict.stale)
    console.log(`no longer found, take it out of answered.json: ${advisory}`);
  console.log(`${verdict.open.length} open, ${verdict.answered.length} answered`);
  process.exitCode = verdict.open.length > 0 ? 1 : 0;
}
