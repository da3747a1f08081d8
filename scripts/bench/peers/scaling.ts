/**
 * `npm run bench:scaling`: what a frame costs with more faces, larger frames and smaller faces, emotiond beside the
 * plain loop.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { startMosquitto } from "../../test-support/mosquitto.js";
import { type CrowdOptions, crowd, sampleHeads } from "./crowd.js";
import { entries } from "./entries.js";
import { type ClipFigures, figuresOf } from "./figures.js";
import { requireMosquitto } from "./install.js";
import { lineChart } from "./lines.js";
import { runContestants } from "./run.js";
import { markdownTable, short } from "./table.js";

const USAGE = `bench:scaling: cost against faces, frame size and smallest face
  npm run bench:scaling -- [--frames N] [--chart FILE.svg] [--json FILE]`;

type Scene = Pick<CrowdOptions, "width" | "height" | "faces" | "faceSize" | "minFaceSize">;

interface Series {
  readonly title: string;
  readonly note: string;
  readonly scenes: readonly { readonly at: string; readonly scene: Scene }[];
}

const VGA = { width: 640, height: 480 };
/** A face a bit larger than the smallest that is looked for, so that twenty find room. */
const SMALL = 0.125;
const LARGE = 0.25;
/** emotiond's default, told to the plain loop as well: by itself that looks for faces from 24 pixels on. */
const SMALLEST = 0.1;

const SERIES: readonly Series[] = [
  {
    title: "Faces in view",
    note: "640×480",
    scenes: [0, 1, 2, 5, 10, 20].map((faces) => ({
      at: String(faces),
      scene: { ...VGA, faces, faceSize: SMALL, minFaceSize: SMALLEST },
    })),
  },
  {
    title: "Frame size",
    note: "three faces of a quarter of the height",
    scenes: (
      [
        [320, 240],
        [640, 480],
        [1280, 720],
        [1920, 1080],
      ] as const
    ).map(([width, height]) => ({
      at: `${width}×${height}`,
      scene: { width, height, faces: 3, faceSize: LARGE, minFaceSize: SMALLEST },
    })),
  },
  {
    title: "Smallest face",
    note: "share of the height; 640×480, three faces",
    scenes: [0.05, 0.075, 0.1, 0.15, 0.2].map((minFaceSize) => ({
      at: String(minFaceSize),
      scene: { ...VGA, faces: 3, faceSize: LARGE, minFaceSize },
    })),
  },
];

const { values } = parseArgs({
  options: {
    frames: { type: "string", default: "60" },
    chart: { type: "string", default: "" },
    json: { type: "string", default: "" },
    help: { type: "boolean", default: false },
  },
});
const frames = Number(values.frames);
if (values.help || !(frames >= 1)) {
  console.error(USAGE);
  process.exit(64);
}

const folder = mkdtempSync(join(tmpdir(), "emotiond-scaling-"));
try {
  requireMosquitto();
  const heads = await sampleHeads();
  const clips = SERIES.flatMap(({ scenes }, series) =>
    scenes.map(({ scene }, index) => crowd(heads, { ...scene, name: `${series}-${index}`, frames, folder })),
  );
  for (const { picture } of heads) picture.release();
  const broker = await startMosquitto();
  try {
    const runs = await runContestants({
      entries: entries(null).filter(({ id }) => id === "emotiond" || id === "plain"),
      clips,
      rounds: 1,
      warmUp: frames,
      brokerUrl: broker.url,
      packages: "",
      progress: (text) => console.error(`bench:scaling: ${text}`),
    });
    const [ours, plain] = runs.map((run) => figuresOf(run, clips).clips) as [ClipFigures[], ClipFigures[]];
    report(ours, plain);
  } finally {
    await broker.stop();
  }
} catch (error) {
  console.error(`bench:scaling: ${(error as Error).message}`);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function report(ours: readonly ClipFigures[], plain: readonly ClipFigures[]): void {
  const [cpu] = cpus();
  console.log(`${cpus().length} × ${cpu?.model ?? "unknown processor"}`);
  let next = 0;
  const panels = SERIES.map(({ title, note, scenes }) => {
    const rows = scenes.map(({ at, scene }) => {
      const [mine, theirs] = [ours[next], plain[next]] as [ClipFigures, ClipFigures];
      next++;
      return { at, scene, mine, theirs };
    });
    console.log(`\n${title} (${note})\n`);
    console.log(
      markdownTable(
        [
          "",
          "emotiond, CPU ms a frame",
          "plain loop, CPU ms a frame",
          "ratio",
          "recall emotiond",
          "recall plain",
        ],
        rows.map(({ at, mine, theirs }) => [
          at,
          short(mine.cpuMsPerFrame),
          short(theirs.cpuMsPerFrame),
          `1/${short(theirs.cpuMsPerFrame / mine.cpuMsPerFrame)}`,
          short(mine.recall),
          short(theirs.recall),
        ]),
      ),
    );
    return { title, note, rows };
  });
  if (values.chart !== "") {
    mkdirSync(dirname(values.chart), { recursive: true });
    const svg = lineChart(
      "What a frame costs as it gets harder",
      "CPU ms",
      panels.map(({ title, note, rows }) => ({
        title,
        note,
        at: rows.map(({ at }) => at),
        series: [
          { name: "plain loop", ours: false, values: rows.map(({ theirs }) => theirs.cpuMsPerFrame) },
          { name: "emotiond", ours: true, values: rows.map(({ mine }) => mine.cpuMsPerFrame) },
        ],
      })),
    );
    writeFileSync(values.chart, svg);
  }
  if (values.json === "") return;
  mkdirSync(dirname(values.json), { recursive: true });
  writeFileSync(values.json, `${JSON.stringify(panels, null, 2)}\n`);
}
