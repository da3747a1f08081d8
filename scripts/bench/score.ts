import { parseArgs } from "node:util";
import type { Mat } from "../../src/base/opencv.js";
import { type Accuracy, type ReportedFace, scoreAccuracy, type TrueFace } from "./accuracy.js";
import { cpuTime, type Fit, greyFrames, ours, placement, plainLoop, type Subject } from "./finders.js";
import { stillScene } from "./still-scene.js";
import { readGroundTruths } from "./truth.js";

interface Row extends Accuracy {
  readonly clip: string;
  readonly size: string;
  readonly subject: string;
  /** The first frame that the subject was shown. */
  readonly start: number;
  /** Mean of a frame, all threads of the process, decoding apart. */
  readonly cpuMsPerFrame: number;
  /** Of the first plain loop's, on the same frames; null for the plain loops themselves, or where none ran. */
  readonly cpuShare: number | null;
}

/** What ours reaches from all starts together. */
interface Summary {
  readonly clip: string;
  readonly size: string;
  readonly meanRecall: number;
  readonly worstRecall: number;
  readonly worstPrecision: number;
  readonly idSwitches: number;
  readonly cpuMsPerFrame: number;
  readonly cpuShare: number | null;
}

interface Size {
  readonly width: number;
  readonly height: number;
  readonly fit: Fit;
}

const USAGE = `score: how well and how cheaply faces are found, against the ground truth in test/ground-truth/
  npm run score -- [--clip NAME] [--size native|640x360|640x480|640x480bars]… [--start 0,0.25,0.5] [--ours]
                   [--verbose] [--json]
  npm run score -- --scene empty [--size 640x480]…      what a room costs in which nothing moves

  --start  where in the clip to begin, as shares of its length: the finder begins anew at each
  --size   a clip of another shape is stretched to the size, or with "bars" keeps its shape
  --ours   without the plain loop (and without the share of its CPU time)`;

const { values } = parseArgs({
  options: {
    size: { type: "string", multiple: true, default: [] },
    clip: { type: "string", default: "" },
    start: { type: "string", default: "0,0.25,0.5" },
    scene: { type: "string" },
    ours: { type: "boolean", default: false },
    verbose: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});

/** Frames of the still scene: ten seconds to settle, then a minute, at thirty a second. */
const STILL_SETTLING = 300;
const STILL_FRAMES = 1800;
const STILL_INTERVAL = 1000 / 30;

if (values.scene === undefined) await scoreClips();
else if (values.scene === "empty") await scoreStillScene();
else fail();

async function scoreClips(): Promise<void> {
  const rows: Row[] = [];
  const starts = values.start.split(",").map(Number);
  if (!starts.every((start) => start >= 0 && start < 1)) fail();
  for (const { truth, file } of await readGroundTruths()) {
    if (!truth.clip.includes(values.clip)) continue;
    if (file === null) {
      console.error(`score: ${truth.clip} is not there; set EMOTIOND_CLIPS to the folder that holds it`);
      continue;
    }
    for (const size of sizes(["native", "640x480bars"], truth)) {
      const place = placement(truth, size, size.fit);
      const faces = truth.frames.map((frame) =>
        frame.map(({ person, box }) => ({
          person,
          box: {
            x: box.x * place.across + place.x,
            y: box.y * place.down + place.y,
            width: box.width * place.across,
            height: box.height * place.down,
          },
        })),
      );
      const frames = greyFrames(file, size.width, size.height, size.fit);
      try {
        const about = { clip: truth.clip, size: nameOf(size) };
        rows.push(...(await scoreFrames(about, frames, faces, truth.framesPerSecond, starts)));
      } finally {
        for (const frame of frames) frame.release();
      }
    }
  }
  if (values.json) console.log(JSON.stringify({ rows, summaries: summarize(rows) }));
  else {
    console.table(rows.map(readable));
    console.table(summarize(rows).map(readable));
  }
}

async function scoreFrames(
  about: { readonly clip: string; readonly size: string },
  frames: readonly Mat[],
  faces: readonly (readonly TrueFace[])[],
  framesPerSecond: number,
  starts: readonly number[],
): Promise<Row[]> {
  const interval = 1000 / framesPerSecond;
  const grace = Math.round(framesPerSecond);
  const rows: Row[] = [];
  const plainCosts: number[][] = [];
  // A plain loop does the same with a frame wherever it begins: once over the clip is enough.
  for (const subject of values.ours ? [] : [plainLoop(1.1, 3), plainLoop(1.2, 4)]) {
    const { reported, costs } = await run(subject, frames, interval);
    plainCosts.push(costs);
    for (const first of starts.map((start) => Math.floor(start * frames.length))) {
      const accuracy = scoreAccuracy(faces.slice(first), reported.slice(first), grace);
      const cpuMsPerFrame = mean(costs.slice(first));
      rows.push({
        ...about,
        subject: subject.name,
        start: first,
        ...accuracy,
        cpuMsPerFrame,
        cpuShare: null,
      });
    }
  }
  // A daemon runs for months: what Node takes to compile our code in the first seconds is not its cost a frame.
  await run(ours(), frames, interval);
  for (const first of starts.map((start) => Math.floor(start * frames.length))) {
    const subject = ours();
    const { reported, costs } = await run(subject, frames.slice(first), interval);
    const accuracy = scoreAccuracy(faces.slice(first), reported, grace);
    const cpuMsPerFrame = mean(costs);
    const plain = plainCosts[0];
    const cpuShare = plain === undefined ? null : cpuMsPerFrame / mean(plain.slice(first));
    rows.push({ ...about, subject: subject.name, start: first, ...accuracy, cpuMsPerFrame, cpuShare });
    if (!values.verbose) continue;
    for (const [index, found] of reported.entries()) {
      const boxes = found.map(({ id, box }) => `${id}:${square(box)}`).join("  ");
      console.error(`${first + index} ${(costs[index] ?? 0).toFixed(2)} ms  ${boxes}`);
    }
  }
  return rows;
}

function summarize(rows: readonly Row[]): Summary[] {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    if (row.subject !== "emotiond") continue;
    const key = `${row.clip} ${row.size}`;
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  return [...groups.values()].map((group) => {
    const { clip, size } = group[0] as Row;
    const shares = group.flatMap(({ cpuShare }) => (cpuShare === null ? [] : [cpuShare]));
    return {
      clip,
      size,
      meanRecall: mean(group.map(({ recall }) => recall)),
      worstRecall: Math.min(...group.map(({ recall }) => recall)),
      worstPrecision: Math.min(...group.map(({ precision }) => precision)),
      idSwitches: group.reduce((sum, row) => sum + row.idSwitches, 0),
      cpuMsPerFrame: mean(group.map(({ cpuMsPerFrame }) => cpuMsPerFrame)),
      cpuShare: shares.length === 0 ? null : mean(shares),
    };
  });
}

/** Finding alone: grey frames that are in memory go in, no face comes out. */
async function scoreStillScene(): Promise<void> {
  const results = [];
  for (const size of sizes(["640x480"], { width: 640, height: 480 })) {
    const frames = stillScene(size.width, size.height);
    const subject = ours();
    const costs: number[] = [];
    let faces = 0;
    try {
      for (let index = 0; index < STILL_SETTLING + STILL_FRAMES; index++) {
        const begun = cpuTime();
        faces += (await subject.process(frames[index % frames.length] as Mat, index * STILL_INTERVAL)).length;
        if (index >= STILL_SETTLING) costs.push(cpuTime() - begun);
      }
    } finally {
      for (const frame of frames) frame.release();
    }
    const sorted = [...costs].sort((a, b) => a - b);
    results.push({
      scene: "empty",
      size: nameOf(size),
      frames: costs.length,
      faces,
      cpuMsPerFrame: mean(costs),
      p99: sorted[Math.floor(sorted.length * 0.99)],
    });
  }
  if (values.json) console.log(JSON.stringify(results));
  else console.table(results.map(readable));
}

async function run(
  subject: Subject,
  frames: readonly Mat[],
  interval: number,
): Promise<{ reported: (readonly ReportedFace[])[]; costs: number[] }> {
  const reported: (readonly ReportedFace[])[] = [];
  const costs: number[] = [];
  for (const [index, grey] of frames.entries()) {
    const begun = cpuTime();
    reported.push(await subject.process(grey, index * interval));
    costs.push(cpuTime() - begun);
  }
  return { reported, costs };
}

function sizes(
  standard: readonly string[],
  native: { readonly width: number; readonly height: number },
): Size[] {
  return (values.size.length === 0 ? standard : values.size).map((text) => parseSize(text, native));
}

function parseSize(text: string, native: { readonly width: number; readonly height: number }): Size {
  if (text === "native") return { width: native.width, height: native.height, fit: "stretch" };
  const [, width, height, bars] = /^(\d+)x(\d+)(bars)?$/.exec(text) ?? fail();
  return { width: Number(width), height: Number(height), fit: bars === undefined ? "stretch" : "bars" };
}

function nameOf({ width, height, fit }: Size): string {
  return `${width}x${height}${fit === "bars" ? "bars" : ""}`;
}

function mean(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
}

/** Rounded, and names short enough for a table. */
function readable(row: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(row).map(([key, value]) => {
      if (typeof value === "number") return [key, Math.round(value * 1000) / 1000];
      return [key, typeof value === "string" ? value.replace(/\.avi$/, "") : value];
    }),
  );
}

function square(box: ReportedFace["box"]): string {
  return `${Math.round(box.x + box.width / 2)},${Math.round(box.y + box.height / 2)} ${Math.round(box.width)}`;
}

function fail(): never {
  console.error(USAGE);
  process.exit(64);
}
