import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Box } from "../../src/base/box.js";

/** Where the faces of a clip are, as a person saw them: see test/ground-truth/README.md. */
export interface GroundTruth {
  readonly clip: string;
  /** Of the clip's frames, in pixels; the boxes are in the same. */
  readonly width: number;
  readonly height: number;
  readonly framesPerSecond: number;
  readonly frames: readonly (readonly { readonly person: string; readonly box: Box }[])[];
}

const FOLDER = fileURLToPath(new URL("../../test/ground-truth/", import.meta.url));
/** The clips are data that the repository does not hold: beside the checkout, or where the variable says. */
const CLIPS =
  process.env.EMOTIOND_CLIPS ?? fileURLToPath(new URL("../../../shared/data/media/", import.meta.url));

/** @returns every clip that has a ground truth, and its file, or null where the file is not there. */
export async function readGroundTruths(): Promise<{ truth: GroundTruth; file: string | null }[]> {
  const names = (await readdir(FOLDER)).filter((name) => name.endsWith(".json")).sort();
  return Promise.all(
    names.map(async (name) => {
      const truth = JSON.parse(await readFile(join(FOLDER, name), "utf8")) as GroundTruth;
      const file = join(CLIPS, truth.clip);
      return { truth, file: existsSync(file) ? file : null };
    }),
  );
}
