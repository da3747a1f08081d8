/**
 * `npm run bench:instructions`: how many instructions the hot stages take, counted by valgrind: unlike times, these
 * are the same on a busy machine.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { modelFolder } from "../../../src/base/model-folder.js";
import { defaultConfig } from "../../../src/config/load.js";
import { prepareClips } from "./clips.js";
import { crowd, sampleHeads } from "./crowd.js";
import { markdownTable, short } from "./table.js";

const STAGES = fileURLToPath(new URL("contestants/stages.mjs", import.meta.url));
/** The stages call this function of OpenCV's between each other, and nothing else does. */
const MARK = "cv::getNumThreads()";
const REPEAT = 3;
const WITHIN = 590_000;

const { values } = parseArgs({ options: { json: { type: "boolean", default: false } } });
const folder = mkdtempSync(join(tmpdir(), "emotiond-instructions-"));
try {
  const { film, box } = await oneFace(folder);
  const order = JSON.stringify([film, 640, 480, box, modelFolder(defaultConfig().emotion.model), REPEAT]);
  console.error("bench:instructions: node under valgrind --tool=callgrind, a minute or more");
  const { error, stdout, stderr } = spawnSync(
    "valgrind",
    [
      "--tool=callgrind",
      // V8 writes code as it goes.
      "--smc-check=all-non-file",
      `--dump-before=${MARK}`,
      `--callgrind-out-file=${join(folder, "counts")}`,
      process.execPath,
      "--single-threaded",
      STAGES,
      order,
    ],
    { encoding: "utf8", timeout: WITHIN },
  );
  if (error !== undefined)
    throw new Error(`valgrind does not run: ${error.message}; sudo apt install valgrind`);
  if (!stdout.trim().startsWith("["))
    throw new Error(`the stages did not run through:\n${stderr.slice(-2000)}`);
  const names = JSON.parse(stdout) as string[];
  // Dumps come in pairs: what led up to a stage, and the stage.
  const rows = names.map((stage, index) => ({
    stage,
    instructions: totalOf(readFileSync(join(folder, `counts.${2 * index + 2}`), "utf8")) / REPEAT,
  }));
  if (values.json) console.log(JSON.stringify(rows));
  else
    console.log(
      markdownTable(
        ["stage, 640×480", "million instructions"],
        rows.map(({ stage, instructions }) => [stage, short(instructions / 1e6)]),
      ),
    );
} catch (error) {
  console.error(`bench:instructions: ${(error as Error).message}`);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** A frame with a face in it, and where: of a clip, or composed where there is none. */
async function oneFace(into: string): Promise<{ film: string; box: object }> {
  const [clip] = await prepareClips({ width: 640, height: 480, fit: "bars", frames: 1, folder: into });
  const known = clip?.truth?.[0]?.[0];
  if (clip?.files.i420 !== undefined && known !== undefined) return { film: clip.files.i420, box: known.box };
  const heads = await sampleHeads();
  const scene = { name: "one", width: 640, height: 480, faces: 1, faceSize: 0.15, minFaceSize: null };
  const { files, truth } = crowd(heads, { ...scene, frames: 1, folder: into });
  for (const { picture } of heads) picture.release();
  const face = truth?.[0]?.[0];
  if (files.i420 === undefined || face === undefined) throw new Error("no face to look at");
  return { film: files.i420, box: face.box };
}

/** @param dump one file that callgrind wrote. */
function totalOf(dump: string): number {
  const total = /^totals: (\d+)/m.exec(dump)?.[1];
  if (total === undefined) throw new Error("callgrind's file has no totals");
  return Number(total);
}
