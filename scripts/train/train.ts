/** `npm run train`: trains a network on FER-2013 and exports it. */
import { mkdirSync } from "node:fs";
import { readManifest } from "../../src/emotion/manifest.js";
import { type EpochRecord, hasCheckpoint, loadCheckpoint } from "./checkpoint.js";
import { parseCommand, type TrainCommand, UsageError } from "./command.js";
import { loadTrainingData, type TrainingData } from "./data/load.js";
import { unreadableLines } from "./data/unreadable.js";
import type { Effort } from "./export/export.js";
import { type FinishedRun, finish } from "./finish.js";
import { initialize } from "./init.js";
import { createNetwork } from "./network.js";
import { createOptimizer } from "./optimizer.js";
import { originIn, originOf } from "./origin.js";
import { PRESETS, type Preset } from "./presets.js";
import { duration, progressBar } from "./progress.js";
import { createRandom } from "./random.js";
import { trainSeed } from "./seed.js";
import { teacherAnswers } from "./teacher.js";
import { tensorBoard } from "./tensorboard.js";
import { type Extent, type Trained, train } from "./trainer.js";

async function main(): Promise<void> {
  const command = parseCommand(process.argv.slice(2));
  const preset = PRESETS[command.preset];
  if (preset === undefined && command.preset !== "seed") {
    throw new UsageError(
      `--preset ${command.preset}: must be one of ${Object.keys(PRESETS).join(", ")}, seed`,
    );
  }
  mkdirSync(command.work, { recursive: true });
  const data = await loadTrainingData(command.data, command.ferplus, preset?.repeats);
  for (const line of unreadableLines(data.unreadable)) console.warn(line);
  const hidden = data.privateRows === 0 ? " (there is no PrivateTest here to compare with)" : "";
  console.log(
    `${data.training.count} training pictures; ${data.removed} left out, because an evaluation picture has the same pixels${hidden}`,
  );
  if (preset === undefined) {
    await trainSeed(command, data);
    return;
  }
  const chosen: Preset = {
    ...preset,
    learningRate: command.learningRate ?? preset.learningRate,
    // What starts from a model has nothing to learn from small pictures any more.
    sizes: command.init === undefined ? preset.sizes : [{ from: 0, size: preset.architecture.inputSize }],
  };
  await finish({ command, preset: chosen, data, ...(await trained(command, chosen, data)) });
}

type NetworkToExport = Pick<FinishedRun, "network" | "averages" | "history" | "effort" | "origin">;

/** A network that was trained now, the last checkpoint's, or with --init an exported model's: its heads are mixed anew. */
async function trained(command: TrainCommand, preset: Preset, data: TrainingData): Promise<NetworkToExport> {
  if (!command.exportOnly) {
    const { network, optimizer, history, origin } = await run(command, preset, data);
    return { network, averages: optimizer.averages, history, effort: effortOf(history), origin };
  }
  const network = createNetwork(preset.architecture, createRandom(command.seed));
  if (command.init !== undefined) {
    await initialize(network, command.init, data.training, preset.window);
    const { averages } = createOptimizer(network.parameters, preset);
    const manifest = await readManifest(command.init);
    const { epochs, hours } = manifest.training;
    const effort = { epochs, hours: typeof hours === "number" ? hours : 0 };
    return { network, averages, history: [], effort, origin: originIn(manifest) };
  }
  requireCheckpoint(command, "--export-only");
  const optimizer = createOptimizer(network.parameters, preset);
  const { history, origin } = loadCheckpoint(command.work, network, optimizer);
  return { network, averages: optimizer.averages, history, effort: effortOf(history), origin };
}

function effortOf(history: readonly EpochRecord[]): Effort {
  const hours = history.reduce((sum, { seconds }) => sum + seconds, 0) / 3600;
  return { epochs: history.length, hours: Math.round(hours * 100) / 100 };
}

async function run(command: TrainCommand, preset: Preset, data: TrainingData): Promise<Trained> {
  if (command.resume) requireCheckpoint(command, "--resume");
  const extent: Extent =
    command.hours === undefined
      ? { epochs: command.epochs ?? preset.epochs }
      : { seconds: command.hours * 3600 };
  const of = "epochs" in extent ? `/${extent.epochs}` : "";
  const bar = progressBar();
  const board = tensorBoard(command.work);
  const { init, teachers } = command;
  const answers = teachers.length === 0 ? undefined : await teacherAnswers(teachers, preset, data.training);
  return train({
    preset,
    training: data.training,
    evaluation: data.evaluation,
    people: data.people,
    extent,
    seed: command.seed,
    folder: command.work,
    resume: command.resume,
    origin: await originOf(command),
    ...(init === undefined
      ? {}
      : { prepare: (network) => initialize(network, init, data.training, preset.window) }),
    ...(answers === undefined
      ? {}
      : { teacher: { answers, share: command.teacherShare, rows: data.ferRows } }),
    onBatch: (epoch, batch, batches, loss, done) => bar.update(epoch, batch, batches, loss, done),
    onEpoch: (record) => {
      bar.clear();
      board(record);
      const ferplus = record.ferplus === null ? "" : `  FER+ ${(record.ferplus * 100).toFixed(2)} %`;
      const people =
        record.people === undefined
          ? ""
          : `  people ${(record.people.accuracy * 100).toFixed(2)} %, mean recall ${(record.people.recall * 100).toFixed(1)} %`;
      console.log(
        `epoch ${String(record.epoch).padStart(3)}${of}  loss ${record.loss.toFixed(4)}  ` +
          `${data.evaluation.split} ${(record.accuracy * 100).toFixed(2)} %${ferplus}${people}  ` +
          `${record.size} px  ${duration(record.seconds * 1000)}`,
      );
    },
  });
}

function requireCheckpoint({ work }: TrainCommand, option: string): void {
  if (!hasCheckpoint(work)) throw new UsageError(`${option}: there is no checkpoint in ${work}`);
}

try {
  await main();
} catch (error) {
  const expected = error instanceof Error && error.name !== "Error" && error.name !== "TypeError";
  console.error(error instanceof Error ? (expected ? error.message : error.stack) : error);
  process.exitCode = 1;
}
