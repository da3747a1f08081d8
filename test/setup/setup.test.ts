import { spawn, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const scripts = join(import.meta.dirname, "..", "..", "scripts");

interface System {
  uid: number;
  has(program: string): boolean;
  terminal: boolean;
  say(line: string): void;
}
interface Places {
  programs: string[];
  headers: string[];
  libraries: string[];
}
type Report = (detail: string) => void;

// Set-up is plain JavaScript, as it runs before the compiler is there.
const load = async <T>(name: string) => (await import(join(scripts, "setup", `${name}.mjs`))) as T;
const apt = await load<{
  prepareApt(packages: string[], system: System): Promise<string[]>;
  explain(packages: string[], output: string): string;
  countPackages(report: Report): (line: string) => void;
}>("apt");
const requirements = await load<{
  missingPackages(purpose: "start" | "test", places?: Places): string[];
  systemPlaces(): Places;
}>("requirements");
const addon = await load<{
  addonKey(root: string): string | undefined;
  headersFolder(folders: string[], abi: string): string | undefined;
}>("addon");
const npm = await load<{ isInstalled(root: string): boolean }>("npm");
const build = await load<{ sourceKey(root: string): string }>("build");

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "emotiond-setup-"));
});

afterEach(() => rmSync(folder, { recursive: true }));

function write(path: string, text = ""): string {
  const file = join(folder, path);
  mkdirSync(join(file, ".."), { recursive: true });
  writeFileSync(file, text);
  return file;
}

describe("an old Node.js", () => {
  it.each(["v12.22.12", "v18.20.4"])("%s is refused in one sentence", (version) => {
    const fake = write(
      "old.cjs",
      `Object.defineProperty(process, "version", { value: "${version}" });
       Object.defineProperty(process, "versions", { value: { ...process.versions, node: "${version.slice(1)}" } });`,
    );
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ["-r", fake, join(scripts, "setup.cjs"), "start"],
      { encoding: "utf8" },
    );
    expect(status).toBe(1);
    expect(stdout).toBe("");
    expect(stderr).toMatch(
      /^emotiond needs Node\.js 20, 22 or 24, and this is v1[28]\.[^\n]*nodejs\.org[^\n]*\n$/,
    );
  });
});

describe("what is missing on the system", () => {
  it("is nothing here, where the tests run", () => {
    expect(requirements.missingPackages("test")).toEqual([]);
  });

  it("is named by its apt package", () => {
    const nothing = { programs: [folder], headers: [folder], libraries: [folder] };
    const missing = requirements.missingPackages("start", nothing);
    expect(missing).toEqual(expect.arrayContaining(["g++", "make", "python3", "libopencv-objdetect-dev"]));
    expect(missing).not.toContain("mosquitto");
    expect(requirements.missingPackages("test", nothing)).toEqual(
      expect.arrayContaining(["mosquitto", "xvfb"]),
    );
  });

  it("is not missing where it came without apt, as on a Jetson", () => {
    for (const module of ["core", "imgproc", "imgcodecs", "videoio", "highgui", "objdetect"]) {
      write(`include/opencv2/${module}.hpp`);
      write(`lib/libopencv_${module}.so`);
    }
    const places = requirements.systemPlaces();
    expect(
      requirements.missingPackages("start", {
        ...places,
        headers: [join(folder, "include")],
        libraries: [join(folder, "lib")],
      }),
    ).toEqual([]);
  });
});

describe("installing with apt", () => {
  const system = (change: Partial<System> = {}): System => ({
    uid: 1000,
    has: () => true,
    terminal: false,
    say() {},
    ...change,
  });

  it("needs no sudo as root", async () => {
    await expect(apt.prepareApt(["make"], system({ uid: 0 }))).resolves.toEqual([]);
  });

  it("names the packages where there is no apt", async () => {
    await expect(
      apt.prepareApt(["make", "g++"], system({ has: (program) => program !== "apt-get" })),
    ).rejects.toThrow(/no apt.*make, g\+\+/);
  });

  it("names the command for an administrator where there is no sudo", async () => {
    await expect(apt.prepareApt(["make"], system({ has: (program) => program !== "sudo" }))).rejects.toThrow(
      /no sudo[\s\S]*apt-get install --no-install-recommends make/,
    );
  });

  it.each([
    ["Err:1 Temporary failure resolving 'deb.example.org'", /network/],
    ["E: Unable to locate package libopencv-core-dev", /universe/],
    ["dpkg: error processing package make", /could not install/],
  ])("says what '%s' means", (output, meaning) => {
    expect(apt.explain(["make"], output)).toMatch(meaning);
  });

  it("shows how many packages are done", () => {
    const shown: string[] = [];
    const hear = apt.countPackages((detail) => void shown.push(detail));
    hear("0 upgraded, 2 newly installed, 0 to remove and 9 not upgraded.");
    for (const line of ["Unpacking a ...", "Unpacking b ...", "Setting up a ...", "Setting up b ..."])
      hear(line);
    expect(shown[0]).toBe("fetching 2 packages");
    expect(shown.at(-1)).toBe("2 of 2 packages");
  });
});

describe("Node's headers", () => {
  const version = (abi: number) => `#define NODE_MODULE_VERSION ${abi}\n`;

  it("are taken from the first place that has those of the running ABI", () => {
    write("old/include/node/node_version.h", version(108));
    write("right/include/node/node_version.h", version(115));
    const folders = ["none", "old", "right"].map((name) => join(folder, name));
    expect(addon.headersFolder(folders, "115")).toBe(join(folder, "right"));
    expect(addon.headersFolder(folders, "127")).toBeUndefined();
  });
});

describe("what has been done already", () => {
  it("is npm ci, until package-lock.json is newer than the installation", () => {
    expect(() => npm.isInstalled(folder)).not.toThrow();
    const lock = write("package-lock.json");
    expect(npm.isInstalled(folder)).toBe(false);
    const record = write("node_modules/.package-lock.json");
    utimesSync(lock, 1000, 1000);
    utimesSync(record, 2000, 2000);
    expect(npm.isInstalled(folder)).toBe(true);
    utimesSync(lock, 3000, 3000);
    expect(npm.isInstalled(folder)).toBe(false);
  });

  it("is the build, until a source is written, comes or goes", () => {
    write("tsconfig.json");
    const main = write("src/main.ts");
    write("src/deep/part.ts");
    const before = build.sourceKey(folder);
    expect(build.sourceKey(folder)).toBe(before);
    utimesSync(main, 1000, 1000);
    const touched = build.sourceKey(folder);
    expect(touched).not.toBe(before);
    rmSync(join(folder, "src", "deep", "part.ts"));
    expect(build.sourceKey(folder)).not.toBe(touched);
  });
});

describe("two set-ups at once", () => {
  /** A process that holds the lock for a moment, and writes down when it took it and when it let go. */
  function contender(name: string): Promise<string> {
    const script = `
      import { withLock } from ${JSON.stringify(join(scripts, "setup", "lock.mjs"))};
      await withLock(${JSON.stringify(join(folder, "lock"))}, async () => {
        process.stdout.write("${name}+");
        await new Promise((done) => setTimeout(done, 300));
        process.stdout.write("${name}-");
      });`;
    return new Promise((resolve) => {
      const child = spawn(process.execPath, ["--input-type=module", "-e", script]);
      child.stdout.on("data", (text) => taken.push(String(text)));
      child.on("close", () => resolve(name));
    });
  }
  const taken: string[] = [];

  it("take turns, and a dead one's lock is taken over", async () => {
    const { pid } = spawnSync("true");
    writeFileSync(join(folder, "lock"), String(pid));
    await Promise.all([contender("a"), contender("b")]);
    expect(["a+a-b+b-", "b+b-a+a-"]).toContain(taken.join(""));
    expect(existsSync(join(folder, "lock"))).toBe(false);
  });
});

it("returns at once, without a word, when everything is done", () => {
  // A checkout in which everything is done, as far as set-up looks.
  cpSync(join(scripts, "setup"), join(folder, "scripts", "setup"), { recursive: true });
  cpSync(join(scripts, "setup.cjs"), join(folder, "scripts", "setup.cjs"));
  for (const file of ["package-lock.json", "tsconfig.json", "src/main.ts", "dist/main.js"]) write(file);
  write("node_modules/.package-lock.json");
  write("node_modules/@u4/opencv4nodejs/package.json", '{ "version": "7.1.2" }');
  write("node_modules/@u4/opencv4nodejs/build/Release/opencv4nodejs.node");
  const stamp = { addon: addon.addonKey(folder), build: build.sourceKey(folder) };
  write("node_modules/.emotiond-setup.json", JSON.stringify(stamp));

  const { status, stderr } = spawnSync(process.execPath, [join(folder, "scripts", "setup.cjs"), "start"], {
    encoding: "utf8",
    env: { ...process.env, XDG_CACHE_HOME: join(folder, "cache") },
  });
  expect(stderr).toBe("");
  expect(status).toBe(0);
  expect(existsSync(join(folder, "cache"))).toBe(false);
});
