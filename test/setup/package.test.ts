import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

/** What `npm run package` looks for before it begins. */

const scripts = join(import.meta.dirname, "..", "..", "scripts");
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "emotiond-package-"));
});

afterEach(() => rmSync(folder, { recursive: true }));

function write(path: string, text: string): string {
  const file = join(folder, path);
  mkdirSync(join(file, ".."), { recursive: true });
  writeFileSync(file, text, { mode: 0o755 });
  return file;
}

describe("the system that makes packages", () => {
  /** On a system without any tool, whose apt-get installs nothing. */
  function tools(osRelease: string) {
    for (const name of ["gcc", "dpkg", "apt-get"]) write(`bin/${name}`, "#!/bin/sh\n");
    for (const name of ["env", "sed"]) symlinkSync(`/usr/bin/${name}`, join(folder, "bin", name));
    write("bin/id", "#!/bin/sh\necho 0\n");
    return spawnSync("/bin/bash", [join(scripts, "package", "tools"), "amd64"], {
      encoding: "utf8",
      env: { PATH: join(folder, "bin"), EMOTIOND_OS_RELEASE: write("os-release", osRelease) },
    });
  }

  it.each([
    ["Debian GNU/Linux 13 (trixie)", 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nVERSION_CODENAME=trixie\n'],
    ["Ubuntu 22.04.5 LTS", 'PRETTY_NAME="Ubuntu 22.04.5 LTS"\nVERSION_CODENAME=jammy\n'],
    ["no Debian", "ID=arch\n"],
  ])("is not %s, which is told at once what would do", (name, osRelease) => {
    const { status, stderr } = tools(osRelease);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^Packages are made on Debian 12 [^\n]*: make them on a PC[^\n]*\n$/);
    expect(stderr).toContain(`this is ${name}:`);
  });

  it("is Debian 12, which gets what is missing", () => {
    const { status, stderr } = tools(
      'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_CODENAME="bookworm"\n',
    );
    expect(stderr).toMatch(/^Making packages needs cmake ninja-build .*; installing them\.\n$/);
    expect(status).toBe(0);
  });
});

describe("a fresh checkout", () => {
  /** Set-up with a stand-in for npm. */
  function setUp(npm: string) {
    cpSync(join(scripts, "setup"), join(folder, "scripts", "setup"), { recursive: true });
    cpSync(join(scripts, "setup.cjs"), join(folder, "scripts", "setup.cjs"));
    write("package-lock.json", "{}");
    return spawnSync(process.execPath, [join(folder, "scripts", "setup.cjs"), "package"], {
      encoding: "utf8",
      env: { ...process.env, XDG_CACHE_HOME: join(folder, "cache"), npm_execpath: write("npm.js", npm) },
    });
  }

  it("gets its npm packages, once, and no addon", () => {
    const npm = `const { mkdirSync, writeFileSync, appendFileSync } = require("node:fs");
      appendFileSync("asked", process.argv[2] + "\\n");
      mkdirSync("node_modules", { recursive: true });
      writeFileSync("node_modules/.package-lock.json", "{}");`;
    const first = setUp(npm);
    expect(first.stderr).toMatch(/^npm packages …\nnpm packages: done in \d+ s\n$/);
    expect(first.status).toBe(0);
    expect(existsSync(join(folder, "asked"))).toBe(true);
    rmSync(join(folder, "asked"));

    const again = spawnSync(process.execPath, [join(folder, "scripts", "setup.cjs"), "package"], {
      encoding: "utf8",
      env: { ...process.env, npm_execpath: join(folder, "npm.js") },
    });
    expect(again).toMatchObject({ status: 0, stderr: "" });
    expect(existsSync(join(folder, "asked"))).toBe(false);
  });

  it("says so when npm has no network, and makes no package", () => {
    const { status, stderr } = setUp('console.error("npm error code ENOTFOUND"); process.exit(1);');
    expect(stderr).toMatch(/cannot be set up\. npm cannot reach its registry: is the network up\?/);
    expect(status).toBe(1);
  });
});
