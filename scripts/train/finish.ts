import { loadCheckpoint } from "./checkpoint.js";
import { loadTrainingData } from "./data/load.js";
import { exportModel } from "./export/export.js";
import { chooseHead } from "./export/head.js";
import { majorities } from "./metrics.js";
import { createNetwork } from "./network.js";
import { createOptimizer } from "./optimizer.js";
import { PRESETS } from "./presets.js";
import { createRandom } from "./random.js";
import { logits } from "./trainer.js";

export interface FinishOptions {
  readonly data: string;
  readonly ferplus: string | undefined;
  readonly work: string;
  readonly out: string;
  readonly preset: string;
  readonly version: string;
}

/** Takes the last checkpoint's averaged weights to an exported model. */
export async function finishRun(options: FinishOptions): Promise<void> {
  const preset = PRESETS[options.preset];
  if (preset === undefined) throw new Error(`no preset ${options.preset}`);
  const { training, evaluation } = await loadTrainingData(options.data, options.ferplus);
  const network = createNetwork(preset.architecture, createRandom(1));
  const optimizer = createOptimizer(network.parameters, preset);
  const progress = loadCheckpoint(options.work, network, optimizer);
  const both = logits(network, optimizer.averages, evaluation, preset);
  const head = chooseHead(both, evaluation.labels, majorities(evaluation));
  console.log("head", JSON.stringify(head));
  const values = new Map<string, Float32Array>();
  for (const [name, tensor] of optimizer.averages) values.set(name, (await tensor.data()) as Float32Array);
  const { manifest, differences } = await exportModel({
    architecture: preset.architecture,
    values,
    head,
    training,
    evaluation,
    window: preset.window,
    out: options.out,
    version: options.version,
    preset: options.preset,
    epochs: progress.epoch,
    hours: progress.history.reduce((sum, { seconds }) => sum + seconds, 0) / 3600,
  });
  console.log("largest differences", JSON.stringify(differences));
  console.log(JSON.stringify(manifest.metrics, null, 1));
}
