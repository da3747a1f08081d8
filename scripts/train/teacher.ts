import { type Dataset, mirrored } from "./data/dataset.js";
import { initialize } from "./init.js";
import { softmax } from "./metrics.js";
import { createNetwork } from "./network.js";
import type { Preset } from "./presets.js";
import { createRandom } from "./random.js";
import { logits } from "./trainer.js";

/**
 * What both heads of the exported model in `folder` say about each training picture and its mirror image, `count` × 14
 * mean probabilities: the answers of a teacher of the same architecture (born-again networks, arXiv 1805.04770), who
 * sees a little more than the pupil will.
 *
 * @throws InitError the model is another network's
 */
export async function teacherAnswers(
  folder: string,
  preset: Preset,
  training: Dataset,
): Promise<Float32Array> {
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
