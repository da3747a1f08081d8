import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { describe, expect, it } from "vitest";

const ROOT = join(import.meta.dirname, "..", "..");

const STAGES = [
  "base",
  "config",
  "system",
  "camera",
  "vision",
  "emotion",
  "events",
  "mqtt",
  "http",
  "display",
];

/** Which folders of src/ each may import, beside itself: src/README.md has the house as a picture. */
const FLOORS: Readonly<Record<string, readonly string[]>> = {
  base: [],
  config: ["base"],
  system: ["base"],
  camera: ["base", "config"],
  vision: ["base", "config"],
  emotion: ["base", "config", "vision"],
  events: ["base", "config", "emotion"],
  mqtt: ["base", "config", "events"],
  http: ["base", "config", "events", "mqtt"],
  display: ["base", "config", "camera", "vision", "events"],
  daemon: STAGES,
  commands: [...STAGES, "daemon"],
  "main.ts": ["base", "system", "commands"],
};

const IMPORT = /(?:\bfrom|\bimport|\bimport\()\s*"(\.{1,2}\/[^"]+)"/g;

/** Every relative import of a folder's files, as paths from the repository's root. */
function importsIn(folder: string): { file: string; target: string }[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => /\.(ts|mjs)$/.test(name))
    .flatMap((name) => {
      const file = join(folder, name);
      const text = readFileSync(join(ROOT, file), "utf8");
      return [...text.matchAll(IMPORT)].map(([, target = ""]) => ({
        file,
        target: relative(ROOT, join(ROOT, dirname(file), target)),
      }));
    });
}

const floorOf = (path: string) => path.split("/")[1] ?? "";

describe("the floors of src/", () => {
  it("has a floor for every folder, and none that is gone", () => {
    const rooms = readdirSync(join(ROOT, "src"), { withFileTypes: true })
      .filter((entry) => entry.isDirectory() || entry.name.endsWith(".ts"))
      .map(({ name }) => name);
    expect(rooms.sort()).toEqual(Object.keys(FLOORS).sort());
  });

  it("imports only from the floors below", () => {
    const found = importsIn("src");
    expect(found.length).toBeGreaterThan(500);
    const wrong = found
      .filter(({ file, target }) => {
        const floor = floorOf(file);
        return floorOf(target) !== floor && FLOORS[floor]?.includes(floorOf(target)) !== true;
      })
      .map(({ file, target }) => `${file} imports ${target}`);
    expect(wrong).toEqual([]);
  });

  it("has no circle, for each floor is above all that it imports", () => {
    const floors = Object.keys(FLOORS);
    for (const [floor, below] of Object.entries(FLOORS)) {
      for (const other of below)
        expect(floors.indexOf(other), `${floor}, ${other}`).toBeLessThan(floors.indexOf(floor));
    }
  });
});

describe("scripts and tests", () => {
  it("keep what both need in scripts/test-support, so that no script imports a test", () => {
    const wrong = importsIn("scripts")
      .filter(({ target }) => target.startsWith("test/"))
      .map(({ file, target }) => `${file} imports ${target}`);
    expect(wrong).toEqual([]);
  });
});
