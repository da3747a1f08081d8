import { execFileSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..", "..");

/** Photos with faces: one for each emotion where they are at hand, else the samples of face-api. */
export function photos(): string[] {
  const expressions = join(root, "..", "shared", "data", "media", "expressions");
  const samples = join(root, "node_modules", "@vladmandic", "face-api", "demo");
  const folder = existsSync(expressions) ? expressions : samples;
  const names = readdirSync(folder).filter((name) => name.endsWith(".jpg"));
  return names.sort().map((name) => join(folder, name));
}

export interface Face {
  readonly box: { readonly x: number; readonly y: number; readonly width: number; readonly height: number };
  readonly label: string;
  readonly scores: Readonly<Record<string, number>>;
}

export interface Line {
  readonly file: string;
  readonly faces: readonly Face[];
}

/** What `emotiond classify` printed. */
export const readLines = (text: string): Line[] =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Line);

/** The same command on this machine. */
export function classifyHere(files: readonly string[], engine: string): Line[] {
  // This suite's own variables are no keys of the configuration.
  const environment = Object.entries(process.env).filter(([name]) => !name.startsWith("EMOTIOND_"));
  const out = execFileSync(process.execPath, [join(root, "dist", "main.js"), "classify", ...files], {
    encoding: "utf8",
    env: { ...Object.fromEntries(environment), EMOTIOND_EMOTION_ENGINE: engine },
  });
  return readLines(out);
}
