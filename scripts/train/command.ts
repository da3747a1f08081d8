import { homedir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Source } from "./data/load.js";

/** What `npm run train` was asked for. */
export interface TrainCommand {
  /** FER-2013 first; the others are folders of portraits. */
  readonly data: readonly [Source, ...Source[]];
  readonly ferplus: string | undefined;
  readonly out: string;
  /** Folder of checkpoint, TensorBoard logs and report. */
  readonly work: string;
  readonly preset: string;
  readonly epochs: number | undefined;
  /** Instead of a number of epochs: as many as fit into so many hours. */
  readonly hours: number | undefined;
  readonly learningRate: number | undefined;
  readonly seed: number;
  readonly resume: boolean;
  /** Folder of an exported model to start from. */
  readonly init: string | undefined;
  /** Folders of exported models whose mean answers stand beside the labels. */
  readonly teachers: readonly string[];
  /** How much they count, 0 to 1. */
  readonly teacherShare: number;
  readonly version: string;
  /** Exports what the checkpoint has, and trains no more. */
  readonly exportOnly: boolean;
  /** Folder for the Keras pair, if wanted. */
  readonly keras: string | undefined;
}

/** The command line is not one that `npm run train` understands; the message has the usage. */
export class UsageError extends Error {
  override readonly name = "UsageError";

  constructor(problem: string) {
    super(`${problem}\n\n${USAGE}`);
  }
}

const USAGE = `npm run train -- --data FILE [options]

  --data FILE[@TIMES]  Kaggle's fer2013.csv, plain or .gz, or a folder with train/<label>/ and test/<label>/; given
                       again, folders of other faces, train/<label>/*, images of any size and colour: they are
                       learnt beside it, and some of their people are kept apart to choose by. An epoch shows each
                       picture TIMES times (1; 0.5 is every other epoch), those of a folder's rare labels more often
  --ferplus FILE       FER+ votes (fer2013new.csv), as soft targets beside the labels
  --out DIR            where the model goes (models/emotion)
  --preset NAME        edge, tiny, or seed (edge)
  --epochs N           instead of the preset's
  --hours X            as many epochs as fit into X hours; the learning rate ends with the time
  --learning-rate X    instead of the preset's
  --resume             go on from the last checkpoint: the same command again, with --resume added
  --init DIR           start from an exported model's weights
  --teacher DIR        learn from an exported model's answers beside the labels (distillation); given more than
                       once, from the mean of them all
  --teacher-share X    how much they count (0.4)
  --work DIR           checkpoint, TensorBoard logs and report (~/.cache/emotiond/training/PRESET)
  --model-version V    version in the manifest (0.1.0)
  --export-only        export the last checkpoint, or with --init that model anew, and train no more
  --keras DIR          also write Keras' JSON and H5 there
  --seed N             of the random numbers (1)

On a GPU: npm install @tensorflow/tfjs-node-gpu, and EMOTIOND_TRAIN_BACKEND=@tensorflow/tfjs-node-gpu.`;

/** Options of which the second would be ignored beside the first. */
const APART = [
  ["hours", "epochs"],
  ["export-only", "epochs"],
  ["export-only", "hours"],
  ["export-only", "teacher"],
  ["export-only", "resume"],
] as const;

/** What the tutorial's own system has not. */
const NOT_FOR_SEED = ["init", "teacher", "hours", "keras", "export-only"] as const;

/** @throws UsageError */
export function parseCommand(args: readonly string[]): TrainCommand {
  let values: ReturnType<typeof parse>;
  try {
    values = parse(args);
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  const [first, ...others] = (values.data ?? []).map(sourceOf);
  if (first === undefined) throw new UsageError("--data FILE is missing");
  const version = values["model-version"];
  if (!/^\d+\.\d+\.\d+$/.test(version)) {
    throw new UsageError(`--model-version ${version} must be three numbers, such as 1.0.0`);
  }
  for (const [one, other] of APART) {
    if (
      values[one] !== undefined &&
      values[one] !== false &&
      values[other] !== undefined &&
      values[other] !== false
    )
      throw new UsageError(`--${one} and --${other} do not go together`);
  }
  if (values.preset === "seed") {
    const alien = NOT_FOR_SEED.find((name) => values[name] !== undefined && values[name] !== false);
    if (alien !== undefined)
      throw new UsageError(`--${alien} is not for --preset seed, the tutorial's own system`);
  }
  const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache");
  return {
    data: [first, ...others],
    ferplus: values.ferplus,
    out: values.out,
    work: values.work ?? join(cache, "emotiond", "training", values.preset),
    preset: values.preset,
    epochs: optional(values.epochs, "epochs", (n) => Number.isInteger(n) && n > 0),
    hours: optional(values.hours, "hours", (x) => x > 0),
    learningRate: optional(values["learning-rate"], "learning-rate", (x) => x > 0 && x <= 1),
    seed: optional(values.seed, "seed", Number.isInteger) ?? 1,
    resume: values.resume,
    init: values.init,
    teachers: values.teacher ?? [],
    teacherShare: optional(values["teacher-share"], "teacher-share", (x) => x > 0 && x < 1) ?? 0.4,
    version,
    exportOnly: values["export-only"],
    keras: values.keras,
  };
}

/** `FILE@TIMES`; an @ that no number follows belongs to the name. */
function sourceOf(text: string): Source {
  const [, path, times] = /^(.+)@(\d+(?:\.\d+)?)$/.exec(text) ?? [];
  if (path === undefined || times === undefined) return { path: text, times: 1 };
  if (Number(times) <= 0) throw new UsageError(`--data ${text}: times must be more than 0`);
  return { path, times: Number(times) };
}

function parse(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    options: {
      data: { type: "string", multiple: true },
      ferplus: { type: "string" },
      out: { type: "string", default: "models/emotion" },
      work: { type: "string" },
      preset: { type: "string", default: "edge" },
      epochs: { type: "string" },
      hours: { type: "string" },
      "learning-rate": { type: "string" },
      seed: { type: "string" },
      resume: { type: "boolean", default: false },
      init: { type: "string" },
      teacher: { type: "string", multiple: true },
      "teacher-share": { type: "string" },
      "model-version": { type: "string", default: "0.1.0" },
      "export-only": { type: "boolean", default: false },
      keras: { type: "string" },
    },
  }).values;
}

function optional(
  text: string | undefined,
  option: string,
  fits: (value: number) => boolean,
): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!fits(value)) throw new UsageError(`--${option} ${text} is out of range`);
  return value;
}
