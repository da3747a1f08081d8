import { EMOTION_LABELS } from "../../../src/emotion/labels.js";
import type { Manifest } from "../../../src/emotion/manifest.js";

/** MODEL_CARD.md for an exported model; every figure in it is the manifest's. */
export function modelCard(manifest: Manifest): string {
  const { training, metrics, input, files } = manifest;
  const int8 = metrics["onnx-int8"];
  if (int8 === undefined) throw new Error("the manifest has no figures of onnx-int8");
  const engines = Object.entries(metrics);
  const rows = engines.map(([engine, figures]) => {
    const ferplus = figures.ferplus === null ? "–" : withMargin(figures.ferplus.accuracy, figures.ferplus.n);
    return `| ${engine} | ${withMargin(figures.accuracy, figures.n)} | ${ferplus} | ${percent(figures.calibrationError.after)} |`;
  });
  const recalls = EMOTION_LABELS.map(
    (label) => `| ${label} | ${engines.map(([, { recall }]) => percent(recall[label] ?? 0)).join(" | ")} |`,
  );
  const size = (bytes: number | undefined) => (bytes === undefined ? "–" : `${(bytes / 1e6).toFixed(2)} MB`);
  const { init } = training as { init?: { readonly version: string; readonly epochs: number } };
  const start =
    init === undefined ? "" : `, from the weights of version ${init.version} (${init.epochs} epochs)`;
  const effort =
    training.epochs === 0 && init !== undefined
      ? `the weights of version ${init.version} (${init.epochs} epochs), its heads mixed anew`
      : `${training.epochs} epochs, ${String(training.hours)} hours on two cores${start}`;
  const { teacher } = training as { teacher?: { readonly version: string; readonly share: number } };
  const taught =
    teacher === undefined
      ? ""
      : ` Of each target, ${percent(teacher.share)} was what version ${teacher.version} answered (distillation).`;
  return `# Model card: ${manifest.name} ${manifest.version}

Names the emotion that a face shows: ${EMOTION_LABELS.join(", ")}. A residual network of
${(training.parameters / 1e6).toFixed(2)} M parameters and ${(training.macs / 1e6).toFixed(0)} M multiply-accumulates a face, on grey crops of ${input.size} × ${input.size} pixels. \`onnx-int8\` has
${size(files["onnx-int8"]?.bytes)}, \`onnx-fp32\` ${size(files["onnx-fp32"]?.bytes)}, the TensorFlow.js weights ${size(files.tensorflow?.weights[0]?.bytes)}.

## How right it is

On FER-2013's ${int8.split} (${int8.n} faces), one pass, no test-time augmentation, with 95 % intervals:

| engine | original labels | FER+ majority | calibration error |
| --- | --- | --- | --- |
${rows.join("\n")}

FER-2013's own labels are noisy: people agree with them 65 times in 100. The FER+ majority is what more than half of
ten raters saw${int8.ferplus === null ? "" : `, on the ${int8.ferplus.n} faces that have one`}. ${int8.split} chose the epochs, how the two label sets are weighed, and
the temperature, so these figures flatter a little; PrivateTest was not looked at.

Share of each label that is found (recall, original labels):

| label | ${engines.map(([engine]) => engine).join(" | ")} |
| --- | ${engines.map(() => "---").join(" | ")} |
${recalls.join("\n")}

Confidences are calibrated by a temperature: the expected calibration error (15 bins) went from
${percent(int8.calibrationError.before)} to ${percent(int8.calibrationError.after)}. A confidence of 0.7 is right about 70 times in 100, on faces like those of FER-2013.

## How it was made

\`npm run train\` on ${String(training.pictures)} faces of FER-2013's Training split and their FER+ votes; training faces that are
pixel-identical to an evaluation face were left out. Preset \`${training.preset}\`, ${effort}.${taught} Two
heads, one for the original labels and one for the votes, became one: the mean of what they make probable, each read with
a scale and an offset for each label that were fitted on the evaluation faces.

FER-2013 was gathered from the web by image search (Goodfellow et al. 2013); no licence is stated for the pictures, and
they are not in this repository. FER+ is Microsoft's, MIT. The weights are MIT, as the rest of this repository.

## What to know before using it

- It sees the expression of a face, which is not what a person feels: people smile in grief and frown at the sun.
- Fear, sadness and disgust are found least often and mixed up most, with each other and with anger and neutral. Disgust is
  1.5 % of the training faces.
- FER-2013's people are those whom an image search of 2013 found: mostly adults, light-skinned, often acting, many of
  them stock photographs. Expect it to be less right on children, old people, dark skin, covered faces and cultures whose
  displays differ. Nobody has measured by how much.
- Faces are expected upright and frontal, as the Haar cascade finds them. Turned heads, beards, glasses and masks
  lower the accuracy.

## What it must not be used for

Decisions about people: hiring, education, insurance, policing, border control, credit, health, lie detection. The
European Union's AI Act (2024/1689, article 5) forbids inferring emotions at workplaces and in schools, but for medical
or safety reasons. Nor for watching
people who do not know of it.
`;
}

/** Wilson's interval, which stays inside 0 to 1. */
function withMargin(share: number, n: number): string {
  const z = 1.96;
  const middle = (share + (z * z) / (2 * n)) / (1 + (z * z) / n);
  const half = (z / (1 + (z * z) / n)) * Math.sqrt((share * (1 - share)) / n + (z * z) / (4 * n * n));
  return `${percent(share)} (${percent(middle - half)} to ${percent(middle + half)})`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
