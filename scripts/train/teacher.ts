import { type Dataset, mirrored } from "./data/dataset.js";
import { OUTPUTS } from "./heads.js";
import { initialize } from "./init.js";
import { softmax } from "./metrics.js";
import { createNetwork } from "./network.js";
import type { Preset } from "./presets.js";
import { createRandom } from "./random.js";
import { logits } from "./trainer.js";

/**
 * What both heads of the exported models in `folders` say about each training picture and its mirror image, `count` × 14
 * mean probabilities: the answers of teachers of the same architecture (born-again networks, arXiv 1805.04770), who
 * see a little more than the pupil will. Several know more than any of them.
 *
 * @param folders one at least
 * @throws InitError a model is another network's
 */
export async function teacherAnswers(
  folders: readonly string[],
  preset: Preset,
  training: Dataset,
): Promise<Float32Array> {
  const mean = new Float32Array(training.count * OUTPUTS);
  for (const folder of folders) {
    const answers = await oneTeachersAnswers(folder, preset, training);
    answers.forEach((answer, i) => {
      mean[i] = (mean[i] as number) + answer / folders.length;
    });
  }
  return mean;
}

async function oneTeachersAnswers(folder: string, preset: Preset, training: Dataset): Promise<Float32Array> {
  const teacher = createNetwork(preset.architecture, createRandom(1));
  await initialize(teacher, folder, training, preset.window);
  const [answers, again] = [training, mirrored(training)].map((faces) =>
    softmax(logits(teacher, new Map(), faces, preset)),
  ) as [Float32Array, Float32Array];
  answers.forEach((answer, i) => {
    answers[i] = (answer + (again[i] as number)) / 2;
  });
  for (const { variable } of teacher.parameters) variable.dispose();
  return answers;
}
