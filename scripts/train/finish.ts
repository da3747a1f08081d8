import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { cost } from "./architecture.js";
import type { EpochRecord } from "./checkpoint.js";
import type { TrainCommand } from "./command.js";
import { confusionPicture } from "./confusion-picture.js";
import type { TrainingData } from "./data/load.js";
import { type Effort, exportModel } from "./export/export.js";
import { chooseHead } from "./export/head.js";
import { fold } from "./export/inference.js";
import { writeKeras } from "./export/keras.js";
import { mixed } from "./heads.js";
import { majorities, pluralities, predictions, score } from "./metrics.js";
import type { Network } from "./network.js";
import type { Origin } from "./origin.js";
import type { Preset } from "./presets.js";
import { reportPage } from "./report.js";
import { usableRows } from "./targets.js";
import type { Tensor } from "./tensorflow.js";
import { logits } from "./trainer.js";

export interface FinishedRun {
  readonly command: TrainCommand;
  readonly preset: Preset;
  readonly data: TrainingData;
  readonly network: Network;
  /** Averaged weights by parameter name. */
  readonly averages: ReadonlyMap<string, Tensor>;
  /** Of the epochs that this program went through; empty where the network comes from elsewhere. */
  readonly history: readonly EpochRecord[];
  readonly effort: Effort;
  readonly origin: Origin;
}

/** Takes a run's averaged weights to an exported model, checked, and to its report. */
export async function finish(run: FinishedRun): Promise<void> {
  const { command, preset, network, averages, history, effort } = run;
  const { training, evaluation, people, privateRows } = run.data;
  const both = logits(network, averages, evaluation, preset);
  const truth = majorities(evaluation);
  const seen = truth.some((label) => label !== null)
    ? [{ both, truth, likeliest: pluralities(evaluation) }]
    : [];
  if (people !== undefined) {
    const labels = Array.from(people.labels);
    seen.push({ both: logits(network, averages, people, preset), truth: labels, likeliest: labels });
  }
  const head = chooseHead(both, evaluation.labels, seen);
  const values = new Map<string, Float32Array>();
  for (const [name, tensor] of averages) values.set(name, (await tensor.data()) as Float32Array);
  const { manifest, differences } = await exportModel({
    architecture: preset.architecture,
    values,
    head,
    training,
    evaluation,
    people,
    portraits: training.count - run.data.ferRows,
    window: preset.window,
    out: command.out,
    version: command.version,
    preset: command.preset,
    pictures: usableRows(training).length,
    comparedWithPrivateTest: privateRows > 0,
    effort,
    origin: run.origin,
  });
  console.log(
    `exported to ${command.out}; largest difference of a score from the trained network, over 500 faces:`,
  );
  for (const [engine, difference] of Object.entries(differences))
    console.log(`  ${engine}: ${difference.toFixed(5)}`);
  for (const [engine, metrics] of Object.entries(manifest.metrics)) {
    const ferplus = metrics.ferplus === null ? "" : `, FER+ majority ${percent(metrics.ferplus.accuracy)}`;
    const others =
      metrics.people === undefined
        ? ""
        : `, people kept apart ${percent(metrics.people.accuracy)}, mean recall ${percent(metrics.people.meanRecall)}`;
    console.log(`  ${engine}: ${evaluation.split} ${percent(metrics.accuracy)}${ferplus}${others}`);
  }
  if (command.keras !== undefined) {
    await writeKeras(fold(preset.architecture, values, head.settings), command.keras);
    console.log(`Keras' model.json and weights.h5: ${command.keras}`);
  }
  const predicted = predictions(mixed(both, head.settings));
  const original = score(predicted, evaluation.labels);
  const ferplus = evaluation.votes === null ? null : score(predicted, majorities(evaluation));
  const { parameters, macs } = cost(preset.architecture);
  const page = reportPage({
    title: `${manifest.name} ${manifest.version}`,
    facts: [
      [`${evaluation.split}, original labels`, percent(original.accuracy)],
      ...(ferplus === null ? [] : [["FER+ majority", percent(ferplus.accuracy)] as const]),
      ["Least recall of a label", percent(Math.min(...original.recall))],
      [
        "Calibration error, before and after",
        `${percent(head.calibrationError.before)} → ${percent(head.calibrationError.after)}`,
      ],
      ["Parameters", `${(parameters / 1e6).toFixed(2)} M`],
      ["Multiply-accumulates a face", `${(macs / 1e6).toFixed(0)} M`],
      ["Epochs", String(effort.epochs)],
      ["Time", `${effort.hours.toFixed(1)} h`],
    ],
    history,
    original,
    ferplus,
  });
  writeFileSync(join(command.work, "confusion.svg"), confusionPicture(manifest.name, original));
  const file = join(command.work, "report.html");
  writeFileSync(file, page);
  console.log(`report: ${file}`);
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
