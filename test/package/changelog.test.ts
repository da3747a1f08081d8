import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const root = join(import.meta.dirname, "..", "..");
const program = join(root, "scripts", "package", "debian-changelog.mjs");
const BUILT = "1795910400";
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "emotiond-changelog-"));
});

afterEach(() => rmSync(folder, { recursive: true }));

function convert(text: string, version: string) {
  const source = join(folder, "CHANGELOG.md");
  writeFileSync(source, text);
  return spawnSync(process.execPath, [program, source, version, BUILT], { encoding: "utf8" });
}

const CHANGES = `# Changelog

## [Unreleased]

### Fixed

- Not yet out.

## [0.2.0] - 2026-11-30

### Added

- \`emotiond forget\` clears a device whose name has changed, and goes on for so long that the line has to be
  broken here and there.

## [0.1.0] - 2026-11-26

- The first.
`;

describe("the Debian changelog", () => {
  it("has each released version with its changes, newest first", () => {
    const { stdout, status } = convert(CHANGES, "0.2.0");
    expect(status).toBe(0);
    expect(stdout).toBe(`emotiond (0.2.0) stable; urgency=medium

  * 'emotiond forget' clears a device whose name has changed, and goes on for
    so long that the line has to be broken here and there.

 -- emotiond contributors <emotiond@users.noreply.github.com>  Mon, 30 Nov 2026 00:00:00 +0000

emotiond (0.1.0) stable; urgency=medium

  * The first.

 -- emotiond contributors <emotiond@users.noreply.github.com>  Thu, 26 Nov 2026 00:00:00 +0000
`);
  });

  it("gives a version between two releases the changes that are not released", () => {
    const { stdout } = convert(CHANGES, "0.3.0~1");
    expect(stdout).toMatch(/^emotiond \(0\.3\.0~1\) stable; urgency=medium\n\n {2}\* Not yet out\.\n\n -- /);
    expect(stdout.match(/^emotiond \(/gm)).toHaveLength(3);
  });

  it("refuses a heading that it cannot read", () => {
    const { stderr, status } = convert("## 0.2.0\n\n- A change.\n", "0.2.0");
    expect(status).toBe(1);
    expect(stderr).toContain('"## 0.2.0" is no "## [version] - YYYY-MM-DD"');
  });

  it.skipIf(spawnSync("dpkg-parsechangelog", ["--version"]).error !== undefined)(
    "of this version is one that dpkg reads",
    () => {
      const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
      const file = join(folder, "changelog");
      writeFileSync(file, convert(readFileSync(join(root, "CHANGELOG.md"), "utf8"), version).stdout);
      const read = spawnSync("dpkg-parsechangelog", ["-l", file], { encoding: "utf8" });
      expect(read.stderr).toBe("");
      expect(read.stdout).toContain(`Version: ${version}\n`);
    },
  );
});
