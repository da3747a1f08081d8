import { parseArgs } from "node:util";
import { type Accuracy, type ReportedFace, scoreAccuracy } from "./accuracy.js";
import { cpuTime, greyFrames, ours, plainLoop, type Subject } from "./finders.js";
import { readGroundTruths } from "./truth.js";

interface Row extends Accuracy {
  readonly clip: string;
  readonly size: string;
  readonly subject: string;
  /** Mean of a frame, all threads of the process, decoding apart. */
  readonly cpuMsPerFrame: number;
}

const USAGE = `score: how well and how cheaply faces are found, against the ground truth in test/ground-truth/
  npm run score -- [--size native|640x360|640x480] [--clip NAME] [--ours] [--verbose] [--json]`;

const { values } = parseArgs({
  options: {
    size: { type: "string", multiple: true, default: ["native"] },
    clip: { type: "string", default: "" },
    ours: { type: "boolean", default: false },
    verbose: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});

const rows: Row[] = [];
for (const { truth, file } of await readGroundTruths()) {
  if (!truth.clip.includes(values.clip)) continue;
  if (file === null) {
    console.error(`score: ${truth.clip} is not there; set EMOTIOND_CLIPS to the folder that holds it`);
    continue;
  }
  for (const size of values.size) {
    const [width, height] = parseSize(size, truth.width, truth.height);
    const [across, down] = [width / truth.width, height / truth.height];
    const faces = truth.frames.map((frame) =>
      frame.map(({ person, box }) => ({
        person,
        box: { x: box.x * across, y: box.y * down, width: box.width * across, height: box.height * down },
      })),
    );
    const frames = greyFrames(file, width, height);
    try {
      const plain = [() => plainLoop(1.1, 3), () => plainLoop(1.2, 4)];
      for (const create of values.ours ? [() => ours()] : [...plain, () => ours()]) {
        // A daemon runs for months: what Node takes to compile our code in the first seconds is not its cost a frame.
        if (!plain.includes(create)) await run(create(), frames, 1000 / truth.framesPerSecond, false);
        const subject = create();
        const { reported, cpuMsPerFrame } = await run(
          subject,
          frames,
          1000 / truth.framesPerSecond,
          values.verbose,
        );
        const accuracy = scoreAccuracy(faces, reported, Math.round(truth.framesPerSecond));
        rows.push({
          clip: truth.clip,
          size: `${width}x${height}`,
          subject: subject.name,
          ...accuracy,
          cpuMsPerFrame,
        });
        if (values.verbose) {
          for (const [index, found] of reported.entries())
            console.error(index + 1, found.map(({ id, box }) => `${id}:${square(box)}`).join("  "));
        }
      }
    } finally {
      for (const frame of frames) frame.release();
    }
  }
}
if (values.json) console.log(JSON.stringify(rows));
else
  console.table(
    rows.map((row) => ({
      ...row,
      clip: row.clip.replace(/\.avi$/, ""),
      ...Object.fromEntries(
        Object.entries(row)
          .filter(([, value]) => typeof value === "number")
          .map(([key, value]) => [key, Math.round(value * 1000) / 1000]),
      ),
    })),
  );

async function run(
  subject: Subject,
  frames: ReturnType<typeof greyFrames>,
  interval: number,
  verbose: boolean,
): Promise<{ reported: (readonly ReportedFace[])[]; cpuMsPerFrame: number }> {
  const reported: (readonly ReportedFace[])[] = [];
  const begun = cpuTime();
  try {
    for (const [index, grey] of frames.entries()) {
      const before = cpuTime();
      reported.push(await subject.process(grey, index * interval));
      if (verbose) console.error(`${subject.name} ${index + 1}: ${(cpuTime() - before).toFixed(2)} ms`);
    }
    return { reported, cpuMsPerFrame: (cpuTime() - begun) / frames.length };
  } finally {
    subject.release();
  }
}

function parseSize(text: string, width: number, height: number): [number, number] {
  if (text === "native") return [width, height];
  const match = /^(\d+)x(\d+)$/.exec(text);
  if (match === null) {
    console.error(USAGE);
    process.exit(64);
  }
  return [Number(match[1]), Number(match[2])];
}

function square(box: ReportedFace["box"]): string {
  return `${Math.round(box.x + box.width / 2)},${Math.round(box.y + box.height / 2)} ${Math.round(box.width)}`;
}
