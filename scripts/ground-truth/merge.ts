import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { cv } from "../../src/base/opencv.js";
import type { Candidate } from "./candidates.js";
import { drawFrame } from "./draw.js";
import { boxOf, PEOPLE, type Person } from "./people.js";
import { readClip } from "./read-clip.js";

type Square = readonly [x: number, y: number, side: number];

/** Boxes of this many frames before and after are averaged: heads move more smoothly than hits. */
const HALF_WINDOW = 2;

/** One person's square in each frame: frontal hits near the frame before, or where a person said it is. */
function follow(person: Person, candidates: readonly Candidate[]): Map<number, Square> {
  const raw = new Map<number, Square>();
  const marks = Object.entries(person.marks).map(([frame, square]) => ({ frame: Number(frame), square }));
  let last = marks[0]?.square;
  if (last === undefined) throw new Error(`${person.id} has no mark`);
  for (let frame = person.from; frame <= person.to; frame++) {
    const mark = person.marks[frame];
    const between = interpolate(marks, frame);
    const near = candidates.filter((hit) => hit.frame === frame && fits(hit, last as Square));
    if (mark !== undefined) last = mark;
    else if (person.marksOnly === true) last = between;
    else if (near.length > 0) last = weighted(near);
    raw.set(frame, last);
  }
  return new Map(
    [...raw.keys()].map((frame) => [
      frame,
      person.marksOnly ? (raw.get(frame) as Square) : smooth(raw, frame),
    ]),
  );
}

function fits({ box, cascade }: Candidate, [x, y, side]: Square): boolean {
  // The profile cascade boxes the whole side of a head: another size and place.
  if (cascade === "profileface") return false;
  const distance = Math.hypot(box.x + box.width / 2 - x, box.y + box.height / 2 - y);
  return distance < 0.25 * side && Math.abs(Math.log(box.width / side)) < 0.25;
}

function weighted(hits: readonly Candidate[]): Square {
  const total = hits.reduce((sum, { neighbors }) => sum + neighbors, 0);
  const mean = (value: (hit: Candidate) => number) =>
    hits.reduce((sum, hit) => sum + value(hit) * hit.neighbors, 0) / total;
  return [
    mean(({ box }) => box.x + box.width / 2),
    mean(({ box }) => box.y + box.height / 2),
    mean(({ box }) => box.width),
  ];
}

function smooth(raw: ReadonlyMap<number, Square>, frame: number): Square {
  const window: Square[] = [];
  for (let other = frame - HALF_WINDOW; other <= frame + HALF_WINDOW; other++) {
    // The same reach on both sides: at the ends a lopsided mean would lag behind a moving head.
    const square = raw.has(2 * frame - other) ? raw.get(other) : undefined;
    if (square !== undefined) window.push(square);
  }
  const mean = (axis: 0 | 1 | 2) => window.reduce((sum, square) => sum + square[axis], 0) / window.length;
  return [mean(0), mean(1), mean(2)];
}

function interpolate(marks: readonly { frame: number; square: Square }[], frame: number): Square {
  const before = marks.filter((mark) => mark.frame <= frame).at(-1) ?? marks[0];
  const after = marks.find((mark) => mark.frame >= frame) ?? before;
  if (before === undefined || after === undefined) throw new Error("no marks");
  const share = after.frame === before.frame ? 0 : (frame - before.frame) / (after.frame - before.frame);
  const at = (axis: 0 | 1 | 2) => before.square[axis] + share * (after.square[axis] - before.square[axis]);
  return [at(0), at(1), at(2)];
}

const { values } = parseArgs({
  options: {
    candidates: { type: "string" },
    clips: { type: "string" },
    out: { type: "string", default: "test/ground-truth" },
  },
});
if (values.candidates === undefined || values.clips === undefined) {
  console.error(
    "merge: npx tsx scripts/ground-truth/merge.ts --candidates FOLDER --clips FOLDER [--out FOLDER]",
  );
  process.exit(64);
}
await mkdir(values.out, { recursive: true });
for (const [clip, people] of Object.entries(PEOPLE)) {
  const file = join(values.candidates, `${clip}.json`);
  if (!existsSync(file)) continue;
  const candidates = JSON.parse(await readFile(file, "utf8")) as Candidate[];
  const paths = people.map((person) => ({ id: person.id, squares: follow(person, candidates) }));
  const pictures = readClip(join(values.clips, `${clip}.avi`));
  const frames = pictures.map((picture, index) => {
    const faces = paths.flatMap(({ id, squares }) => {
      const square = squares.get(index + 1);
      if (square === undefined) return [];
      const { x, y, width, height } = boxOf(square);
      return [
        {
          person: id,
          box: { x: Math.round(x), y: Math.round(y), width: Math.round(width), height: Math.round(height) },
        },
      ];
    });
    drawFrame(
      picture,
      `${index + 1}`,
      faces.map(({ person, box }) => ({ box, label: person })),
    );
    cv.imwrite(
      join(values.candidates as string, `${clip}-truth-${String(index + 1).padStart(3, "0")}.png`),
      picture,
    );
    return faces;
  });
  const first = pictures[0];
  const truth = {
    clip: `${clip}.avi`,
    width: first?.cols,
    height: first?.rows,
    framesPerSecond: 12.5,
    frames,
  };
  for (const picture of pictures) picture.release();
  // A frame a line: a correction shows in a diff as what it is.
  const text = JSON.stringify({ ...truth, frames: undefined }, null, 2).replace(
    /\n\}$/,
    ',\n  "frames": [\n',
  );
  await writeFile(
    join(values.out, `${clip}.json`),
    `${text}${frames.map((faces) => `    ${JSON.stringify(faces)}`).join(",\n")}\n  ]\n}\n`,
  );
  console.log(`${clip}: ${frames.length} frames, ${frames.flat().length} faces`);
}
