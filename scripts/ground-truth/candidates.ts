import { mkdir, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import type { Box } from "../../src/base/box.js";
import { cv, type Mat } from "../../src/base/opencv.js";
import { loadCascade } from "../../src/vision/cascade.js";
import { drawFrame } from "./draw.js";
import { readClip } from "./read-clip.js";

/** A loose hit that a person looks at before it becomes ground truth. */
export interface Candidate {
  readonly frame: number;
  readonly box: Box;
  /** In-plane rotation at which it was found, in degrees, clockwise in the picture. */
  readonly angle: number;
  readonly cascade: string;
  readonly neighbors: number;
}

const CASCADES = ["frontalface_default", "frontalface_alt2", "profileface"];
const ANGLES = [-60, -45, -30, -15, 0, 15, 30, 45, 60];

/** Every cascade at every rotation, with few neighbours asked for: misses cost a person more than false alarms. */
async function candidatesOf(frames: readonly Mat[]): Promise<Candidate[]> {
  const cascades = CASCADES.map((name) => ({ name, cascade: loadCascade(name) }));
  const found: Candidate[] = [];
  for (const [index, picture] of frames.entries()) {
    const grey = await picture.cvtColorAsync(cv.COLOR_BGR2GRAY);
    try {
      for (const angle of ANGLES) {
        const turned = await turn(grey, angle);
        try {
          for (const { name, cascade } of cascades) {
            const hits = await cascade.scan(turned.picture, {
              minSize: grey.rows * 0.08,
              scaleFactor: 1.1,
              minNeighbors: 2,
            });
            for (const { box, neighbors } of hits) {
              const centre = turned.back(box.x + box.width / 2, box.y + box.height / 2);
              found.push({
                frame: index + 1,
                box: {
                  x: round(centre.x - box.width / 2),
                  y: round(centre.y - box.height / 2),
                  width: box.width,
                  height: box.height,
                },
                angle,
                cascade: name,
                neighbors,
              });
            }
          }
        } finally {
          turned.picture.release();
        }
      }
    } finally {
      grey.release();
    }
  }
  return found;
}

/** The picture turned back by `angle` about its middle, with room for its corners. */
async function turn(
  grey: Mat,
  angle: number,
): Promise<{ picture: Mat; back: (x: number, y: number) => { x: number; y: number } }> {
  const side = Math.ceil(Math.hypot(grey.cols, grey.rows));
  const [left, top] = [Math.floor((side - grey.cols) / 2), Math.floor((side - grey.rows) / 2)];
  const framed = await grey.copyMakeBorderAsync(
    top,
    side - grey.rows - top,
    left,
    side - grey.cols - left,
    cv.BORDER_REPLICATE,
  );
  const middle = (side - 1) / 2;
  const matrix = cv.getRotationMatrix2D(new cv.Point2(middle, middle), angle, 1);
  try {
    const picture = await framed.warpAffineAsync(matrix, new cv.Size(side, side), cv.INTER_LINEAR);
    const [cos, sin] = [Math.cos((angle * Math.PI) / 180), Math.sin((angle * Math.PI) / 180)];
    return {
      picture,
      back: (x, y) => ({
        x: cos * (x - middle) - sin * (y - middle) + middle - left,
        y: sin * (x - middle) + cos * (y - middle) + middle - top,
      }),
    };
  } finally {
    matrix.release();
    framed.release();
  }
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

const { values, positionals } = parseArgs({ options: { out: { type: "string" } }, allowPositionals: true });
if (values.out === undefined || positionals.length === 0) {
  console.error("candidates: npx tsx scripts/ground-truth/candidates.ts --out FOLDER CLIP…");
  process.exit(64);
}
await mkdir(values.out, { recursive: true });
for (const clip of positionals) {
  const name = basename(clip).replace(/\.[^.]+$/, "");
  const frames = readClip(clip);
  const candidates = await candidatesOf(frames);
  await writeFile(join(values.out, `${name}.json`), `${JSON.stringify(candidates, null, 1)}\n`);
  for (const [index, picture] of frames.entries()) {
    const here = candidates.filter((candidate) => candidate.frame === index + 1);
    drawFrame(
      picture,
      `${index + 1}`,
      here.map(({ box, angle, cascade }) => ({ box, label: `${cascade.at(-1)}${angle}` })),
    );
    await cv.imwriteAsync(join(values.out, `${name}-${String(index + 1).padStart(3, "0")}.png`), picture);
    picture.release();
  }
  console.log(`${name}: ${frames.length} frames, ${candidates.length} candidates`);
}
