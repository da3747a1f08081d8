import mqtt from "mqtt";
import type { ReportedFace } from "../accuracy.js";
import { type BenchClip, fileOf } from "./clips.js";
import { type Contestant, type Entry, startContestant } from "./contestant.js";
import { type ClipFile, type Report, serialOf } from "./protocol.js";

/** What one contestant did on one clip, all rounds together. */
export interface ClipRun {
  readonly clip: string;
  readonly frames: number;
  /** Of the whole process, in milliseconds. */
  cpuMs: number;
  /** From the order to look at a frame to its answer, added up, in milliseconds. */
  wallMs: number;
  /** From the order to look at a frame to its MQTT message at a subscriber, in milliseconds. */
  readonly latenciesMs: number[];
  /** A list of frames for each round. */
  readonly reported: (readonly ReportedFace[])[][];
}

export interface ContestantRun {
  readonly entry: Entry;
  readonly clips: readonly ClipRun[];
  readonly peakRssMiB: number;
}

export interface RunOptions {
  readonly entries: readonly Entry[];
  readonly clips: readonly BenchClip[];
  readonly rounds: number;
  /** Frames at the start that do not count: what loads lazily and compiles late is not the cost of a frame. */
  readonly warmUp: number;
  readonly brokerUrl: string;
  /** Folder of the npm packages of the others. */
  readonly packages: string;
  readonly progress: (text: string) => void;
}

/** Frames that a contestant works on before it is the next one's turn. */
const TURN = 20;
/** Milliseconds for the last messages to come in. */
const LAST_MESSAGES = 500;

/**
 * Lets the contestants take turns at the same frames. All of them run the whole time; the ones whose turn it is not
 * wait for orders.
 */
export async function runContestants(options: RunOptions): Promise<ContestantRun[]> {
  const { entries, clips, rounds, progress } = options;
  const subscriber = await mqtt.connectAsync(options.brokerUrl);
  await subscriber.subscribeAsync("bench/+");
  const sent = new Map<number, { at: number; latencies: number[] }>();
  subscriber.on("message", (_topic, payload) => {
    const now = performance.now();
    const serial = serialOf(payload.toString());
    const order = serial === null ? undefined : sent.get(serial);
    if (order === undefined || serial === null) return;
    order.latencies.push(now - order.at);
    sent.delete(serial);
  });

  let serial = 0;
  async function look(contestant: Contestant, frame: number, latencies: number[]): Promise<Report> {
    serial++;
    sent.set(serial, { at: performance.now(), latencies });
    return contestant.look(frame, serial);
  }

  const contestants: Contestant[] = [];
  try {
    for (const entry of entries) {
      const contestant = startContestant(entry, {
        BENCH_MQTT_URL: options.brokerUrl,
        BENCH_TOPIC: `bench/${entry.id}`,
        BENCH_PACKAGES: options.packages,
      });
      contestants.push(contestant);
      const [first] = clips;
      if (first === undefined) throw new Error("no clip to run");
      progress(`${entry.name}: starting`);
      await contestant.open(asFile(first, entry));
      for (let index = 0; index < options.warmUp; index++) await look(contestant, index % first.frames, []);
    }
    const runs = contestants.map((contestant) => ({
      contestant,
      clips: clips.map(
        (clip): ClipRun => ({
          clip: clip.name,
          frames: clip.frames,
          cpuMs: 0,
          wallMs: 0,
          latenciesMs: [],
          reported: [],
        }),
      ),
    }));
    for (let round = 0; round < rounds; round++) {
      for (const [index, clip] of clips.entries()) {
        progress(`round ${round + 1} of ${rounds}, ${clip.name}`);
        for (const run of runs) {
          await run.contestant.open(asFile(clip, run.contestant.entry));
          run.clips[index]?.reported.push([]);
        }
        for (let from = 0; from < clip.frames; from += TURN) {
          for (const run of runs) {
            const clipRun = run.clips[index] as ClipRun;
            const to = Math.min(clip.frames, from + TURN);
            await turn(run.contestant, clipRun, from, to, look);
          }
        }
      }
    }
    await new Promise((resolve) => setTimeout(resolve, LAST_MESSAGES));
    return runs.map(({ contestant, clips: clipRuns }) => ({
      entry: contestant.entry,
      clips: clipRuns,
      peakRssMiB: contestant.peakRssMiB(),
    }));
  } finally {
    await Promise.all(contestants.map((contestant) => contestant.stop()));
    await subscriber.endAsync();
  }
}

function asFile(clip: BenchClip, entry: Entry): ClipFile {
  const { width, height, framesPerSecond, minFaceSize } = clip;
  return { file: fileOf(clip, entry.pixels), width, height, framesPerSecond, minFaceSize };
}

/** The CPU of a turn is counted from the answer before it, so that what goes on after an answer counts, too. */
async function turn(
  contestant: Contestant,
  run: ClipRun,
  from: number,
  to: number,
  look: (contestant: Contestant, frame: number, latencies: number[]) => Promise<Report>,
): Promise<void> {
  let cpuBefore = contestant.cpuMs();
  for (let frame = from; frame < to; frame++) {
    const begun = performance.now();
    const report = await look(contestant, frame, run.latenciesMs);
    run.wallMs += performance.now() - begun;
    run.cpuMs += report.cpuMs - cpuBefore;
    cpuBefore = report.cpuMs;
    run.reported.at(-1)?.push("faces" in report ? report.faces : []);
  }
}
