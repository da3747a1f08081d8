/**
 * `npm run bench:peers`: emotiond against the plain loop and other programs, on the same frames in the same run.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { type Mosquitto, startMosquitto } from "../../test-support/mosquitto.js";
import { barChart } from "./bars.js";
import { type BenchClip, prepareClips } from "./clips.js";
import { emptyScene } from "./empty-scene.js";
import { entries } from "./entries.js";
import { type ContestantFigures, figuresOf, percentile } from "./figures.js";
import { InstallError, installPackages, installPython, requireMosquitto } from "./install.js";
import { type LiveFigures, runLive } from "./live.js";
import { runContestants } from "./run.js";
import { markdownTable, short } from "./table.js";

const USAGE = `bench:peers: emotiond against the plain loop and other programs
  npm run bench:peers -- [--frames N] [--rounds N] [--only ID,…] [--fit bars|stretch] [--seconds N]
                         [--chart FILE.svg] [--json FILE]
  --frames N      frames of each clip at most (200)
  --rounds N      how often each clip is shown (1)
  --only ID,…     emotiond, plain, python, human, human-tracking, face-api-ssd, face-api-tiny
  --fit bars      the clips' shape is kept, with black bars; stretch fills 640×480
  --seconds N     of the daemon on a live camera, each clip (8); 0 leaves that out`;

const WIDTH = 640;
const HEIGHT = 480;
/** The camera of the bar: this many frames a second. */
const LIVE_RATE = 30;
/** Event of a face this often, in seconds, where latency is measured: the least that may be set. */
const OFTEN = 0.1;
/** Seconds that the daemon has before it is measured. */
const SETTLE = 4;
const WARM_UP = 25;

const { values } = parseArgs({
  options: {
    frames: { type: "string", default: "200" },
    rounds: { type: "string", default: "1" },
    only: { type: "string", default: "" },
    fit: { type: "string", default: "bars" },
    seconds: { type: "string", default: "8" },
    chart: { type: "string", default: "" },
    json: { type: "string", default: "" },
    help: { type: "boolean", default: false },
  },
});
const numbers = {
  frames: Number(values.frames),
  rounds: Number(values.rounds),
  seconds: Number(values.seconds),
};
const { fit } = values;
if (
  values.help ||
  !(numbers.frames >= 1 && numbers.rounds >= 1 && numbers.seconds >= 0) ||
  (fit !== "bars" && fit !== "stretch")
) {
  console.error(USAGE);
  process.exit(64);
}

interface DaemonFigures {
  /** As a user has it: default settings, the clip's own rate. */
  readonly clips: readonly LiveFigures[];
  /** The clip with the most faces at 30 frames a second, events as often as can be. */
  readonly latency: LiveFigures;
}

const folder = mkdtempSync(join(tmpdir(), "emotiond-bench-"));
try {
  const only = values.only.split(",").filter((id) => id !== "");
  const wanted = (id: string) => only.length === 0 || only.includes(id);
  const taking = entries(wanted("python") ? installPython() : null).filter(({ id }) => wanted(id));
  if (taking.length === 0) throw new InstallError(`nobody is called ${values.only}\n${USAGE}`);
  requireMosquitto();
  const packages = taking.some(({ pixels }) => pixels === "rgb") ? installPackages() : "";
  const clips = await prepareClips({ width: WIDTH, height: HEIGHT, fit, frames: numbers.frames, folder });
  const [first] = clips;
  if (first?.truth != null) clips.push(emptyScene(first, folder));
  const broker = await startMosquitto();
  try {
    const runs = await runContestants({
      entries: taking,
      clips,
      rounds: numbers.rounds,
      warmUp: WARM_UP,
      brokerUrl: broker.url,
      packages,
      progress: (text) => console.error(`bench:peers: ${text}`),
    });
    const figures = runs.map((run) => figuresOf(run, clips));
    const live =
      numbers.seconds > 0 && wanted("emotiond") ? await runDaemon(clips, broker).catch(withoutLive) : null;
    report(figures, live, clips);
  } finally {
    await broker.stop();
  }
} catch (error) {
  console.error(`bench:peers: ${(error as Error).message}`);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function runDaemon(clips: readonly BenchClip[], broker: Mosquitto): Promise<DaemonFigures> {
  const common = { seconds: numbers.seconds, settle: SETTLE, broker };
  const figures: LiveFigures[] = [];
  for (const clip of clips) {
    console.error(`bench:peers: the daemon on a live camera, ${clip.name}`);
    figures.push(
      await runLive({ ...common, clip, framesPerSecond: clip.framesPerSecond, updateInterval: 5 }),
    );
  }
  const crowd = clips.reduce((most, clip) => (facesOf(clip) > facesOf(most) ? clip : most));
  console.error(`bench:peers: the daemon at ${LIVE_RATE} frames a second, ${crowd.name}`);
  const latency = await runLive({
    ...common,
    clip: crowd,
    framesPerSecond: LIVE_RATE,
    updateInterval: OFTEN,
  });
  return { clips: figures, latency };
}

/** What the others were measured at is not thrown away for it. */
function withoutLive(error: Error): null {
  console.error(`bench:peers: no figures of the daemon: ${error.message}`);
  process.exitCode = 1;
  return null;
}

function facesOf({ truth, frames }: BenchClip): number {
  return (truth?.flat().length ?? 0) / frames;
}

function report(
  figures: readonly ContestantFigures[],
  live: DaemonFigures | null,
  clips: readonly BenchClip[],
): void {
  const [cpu] = cpus();
  console.log(`${cpus().length} × ${cpu?.model ?? "unknown processor"}, ${WIDTH}×${HEIGHT}\n`);
  console.log(summaryTable(figures, live));
  console.log(`\nCPU ms a frame, and recall, on each clip\n\n${clipTable(figures, clips)}`);
  if (live !== null) console.log(`\nThe daemon on a live camera\n\n${liveTable(live)}`);
  if (values.chart !== "") {
    mkdirSync(dirname(values.chart), { recursive: true });
    writeFileSync(values.chart, chart(figures));
  }
  if (values.json !== "") {
    mkdirSync(dirname(values.json), { recursive: true });
    const machine = { cores: cpus().length, model: cpu?.model ?? null, node: process.version };
    const text = JSON.stringify({ machine, width: WIDTH, height: HEIGHT, fit, figures, live }, null, 2);
    writeFileSync(values.json, `${text}\n`);
  }
}

function summaryTable(figures: readonly ContestantFigures[], live: DaemonFigures | null): string {
  const rows = figures.map((each) => [
    each.name,
    short(each.cpuMsPerFrame),
    short(each.framesPerSecond),
    short(each.p95Ms),
    short(each.peakRssMiB),
    short(each.recall),
    short(each.precision),
  ]);
  if (live !== null) {
    const withFaces = live.clips.filter(({ clip }) => clip !== "empty scene");
    rows.push([
      "emotiond, the daemon on a live camera",
      short(withFaces.reduce((sum, clip) => sum + clip.cpuMsPerFrame, 0) / withFaces.length),
      "–",
      short(percentile(live.latency.latenciesMs, 95)),
      short(Math.max(live.latency.peakRssMiB, ...live.clips.map((clip) => clip.peakRssMiB))),
      "–",
      "–",
    ]);
  }
  return markdownTable(
    ["", "CPU ms a frame", "frames/s", "p95 ms to the message", "peak RSS MiB", "recall", "precision"],
    rows,
  );
}

function clipTable(figures: readonly ContestantFigures[], clips: readonly BenchClip[]): string {
  return markdownTable(
    ["", ...clips.map(({ name }) => name.replace(/\.avi$/, ""))],
    figures.map((each) => [
      each.name,
      // Where nobody is, every face is a false alarm.
      ...each.clips.map(({ cpuMsPerFrame, recall, facesPerFrame }) =>
        recall === null
          ? `${short(cpuMsPerFrame)}, ${short(facesPerFrame)} false`
          : `${short(cpuMsPerFrame)}, ${short(recall)}`,
      ),
    ]),
  );
}

function liveTable({ clips, latency }: DaemonFigures): string {
  return markdownTable(
    ["", "frames/s", "CPU ms a frame", "p50 ms", "p95 ms", "events", "peak RSS MiB"],
    [...clips, latency].map((each) => [
      each.clip.replace(/\.avi$/, ""),
      short(each.framesPerSecond),
      short(each.cpuMsPerFrame),
      each.latenciesMs.length === 0 ? "–" : short(percentile(each.latenciesMs, 50)),
      each.latenciesMs.length === 0 ? "–" : short(percentile(each.latenciesMs, 95)),
      String(each.latenciesMs.length),
      short(each.peakRssMiB),
    ]),
  );
}

function chart(figures: readonly ContestantFigures[]): string {
  return barChart(
    "emotiond and other programs at 640×480",
    figures.map(({ id, name }) => ({ name, ours: id === "emotiond" })),
    [
      { title: "CPU, ms a frame", note: "less is better", values: figures.map((each) => each.cpuMsPerFrame) },
      {
        title: "Frames a second",
        note: "more is better",
        values: figures.map((each) => each.framesPerSecond),
      },
      {
        title: "Frame to message, p95 ms",
        note: "less is better",
        values: figures.map((each) => each.p95Ms),
      },
      { title: "Peak memory, MiB", note: "less is better", values: figures.map((each) => each.peakRssMiB) },
      {
        title: "Recall",
        note: "share of the faces found",
        values: figures.map((each) => each.recall),
        full: 1,
      },
      {
        title: "Precision",
        note: "share of the finds that are faces",
        values: figures.map((each) => each.precision),
        full: 1,
      },
    ],
  );
}
