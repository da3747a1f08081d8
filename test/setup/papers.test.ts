import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, expect, it } from "vitest";

const ROOT = join(import.meta.dirname, "..", "..");
const papers = [
  "README.md",
  "CHANGELOG.md",
  ".github/CONTRIBUTING.md",
  ".github/SECURITY.md",
  "models/emotion/MODEL_CARD.md",
  "scripts/bench/README.md",
  "scripts/fleet/README.md",
  "scripts/train/README.md",
  "src/README.md",
  "src/config/README.md",
  "src/mqtt/README.md",
  "systemd/README.md",
  "test/ground-truth/README.md",
];

const read = (path: string) => readFileSync(join(ROOT, path), "utf8");

/** The anchor that a heading gets on a page. */
function anchor(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, "")
    .trim()
    .replaceAll(" ", "-");
}

function anchorsOf(path: string): string[] {
  const prose = read(path).replace(/^```.*?^```/gms, "");
  return [...prose.matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) => anchor(heading));
}

/** Links to files of the project that lead nowhere. */
function brokenLinks(path: string): string[] {
  return [...read(path).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = ""]) => target)
    .filter((target) => !/^(https?|mailto):/.test(target))
    .filter((target) => {
      const [file = "", heading] = target.split("#");
      const there = file === "" ? path : normalize(join(dirname(path), file));
      if (!existsSync(join(ROOT, there))) return true;
      return heading !== undefined && !anchorsOf(there).includes(heading);
    });
}

describe("the papers", () => {
  it("are all of the project's", () => {
    const tracked = execFileSync("git", ["ls-files", "-co", "--exclude-standard", "*.md"], {
      cwd: ROOT,
      encoding: "utf8",
    });
    expect(tracked.trim().split("\n").sort()).toEqual([...papers].sort());
  });

  it.each(papers)("%s has no link that leads nowhere", (path) => {
    expect(brokenLinks(path)).toEqual([]);
  });

  it.each(papers)("%s names only npm scripts that there are", (path) => {
    const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
    const named = [...read(path).matchAll(/npm run (?:--silent )?([a-z][a-z0-9:-]*)/g)].map(
      ([, name = ""]) => name,
    );
    expect(named.filter((name) => !(name in scripts))).toEqual([]);
  });
});
