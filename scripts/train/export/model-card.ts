import { EMOTION_LABELS } from "../../../src/base/labels.js";
import type { Manifest } from "../../../src/emotion/manifest.js";
import type { Mix } from "../heads.js";
import { originIn } from "../origin.js";

/** Faces of FER-2013's PublicTest. */
const PUBLIC_TEST = 3589;

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
  const { people } = int8;
  const found = people?.recall ?? int8.recall;
  const seldom = [...EMOTION_LABELS]
    .sort((one, other) => (found[one] ?? 0) - (found[other] ?? 0))
    .slice(0, 3);
  const size = (bytes: number | undefined) => (bytes === undefined ? "–" : `${(bytes / 1e6).toFixed(2)} MB`);
  const { init, teacher } = originIn(manifest);
  const start =
    init === undefined ? "" : `, from the weights of version ${init.version} (${init.epochs} epochs)`;
  const effort = `${training.epochs} epochs, ${String(training.hours)} hours on two cores${start}`;
  const taught =
    teacher === undefined
      ? ""
      : ` Of each target, ${percent(teacher.share)} was the mean answer of version ${teacher.version} (distillation).`;
  const { votes, comparedWithPrivateTest } = training as {
    votes?: boolean;
    comparedWithPrivateTest?: boolean;
  };
  const wholeTest = int8.split === "PublicTest" && int8.n > PUBLIC_TEST;
  const copies = comparedWithPrivateTest
    ? `pixel-identical to one of ${int8.split} or PrivateTest were left out`
    : `pixel-identical to one of ${int8.split} were left out. PrivateTest was not at hand: FER-2013 has the same pictures there
and in Training some 290 times, and whoever scores PrivateTest should leave these out`;
  const portraits = typeof training.portraits === "number" ? training.portraits : 0;
  const { share, temperature } = training.head as Mix;
  const heads = votes
    ? `Two heads, one for the original labels and one for the votes, became one: the mean of what they make probable, of which
the first has ${percent(share)}, at a temperature of ${temperature}. Both numbers were chosen on ${people === undefined ? "the evaluation faces" : `${int8.split} and the people kept apart`}: the share for what
people see in them, as far as the original labels allow, which had to be met 65.5 times in 100, or 3.5 points less often
than they can be.`
    : `What its one head makes probable is read at a temperature of ${temperature}, chosen on the evaluation faces.`;
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
the temperature, so these figures flatter a little${wholeTest ? "; it is a folder's `test`, which may hold PrivateTest, too" : "; PrivateTest was not looked at"}.

Share of each label that is found (recall, original labels):

| label | ${engines.map(([engine]) => engine).join(" | ")} |
| --- | ${engines.map(() => "---").join(" | ")} |
${recalls.join("\n")}
${people === undefined ? "" : portraitsPart(engines)}
Confidences are calibrated by a temperature: the expected calibration error (15 bins) by ${votes ? "what most raters saw" : "the labels"} is
${percent(int8.calibrationError.after)}; that of ${votes ? "the heads' plain mean" : "the head as it is"} is ${percent(int8.calibrationError.before)}. A confidence of 0.7 is right about 70 times in 100, on faces like ${people === undefined ? "those of FER-2013" : "these"}.

## How it was made

\`npm run train\` on ${String(Number(training.pictures) - portraits)} faces of FER-2013's Training split${votes ? " and their FER+ votes" : ""}${portraits === 0 ? "" : `, and ${portraits} portraits`}; faces ${portraits === 0 ? "" : "of FER-2013 "}that are
${copies}.${
    portraits === 0
      ? ""
      : `
Of the portraits, the word of the one person who named each counts as 94 votes of a hundred, 82 for rare labels, which are shown
more often (by the square root of what they lack, six times at the most).`
  }
Preset \`${training.preset}\`, ${effort}.${taught}
${heads}

FER-2013 was gathered from the web by image search (Goodfellow et al. 2013); no licence is stated for the pictures, and
they are not in this repository. FER+ is Microsoft's, MIT. The weights are MIT, as the rest of this repository.

## What to know before using it

- It sees the expression of a face, which is not what a person feels: people smile in grief and frown at the sun.
- Of the labels, ${seldom.slice(0, -1).join(", ")} and ${seldom.at(-1)} are found least often, and mixed up with each other and with neutral most. Disgust
  is 1.5 % of the training faces.
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

/** The part about people whom training did not see. */
function portraitsPart(engines: readonly (readonly [string, Manifest["metrics"][string]])[]): string {
  const known = engines.flatMap(([engine, { people }]) => (people === undefined ? [] : [{ engine, people }]));
  const rows = known.map(
    ({ engine, people: { n, accuracy, meanRecall, calibrationError } }) =>
      `| ${engine} | ${withMargin(accuracy, n)} | ${percent(meanRecall)} | ${percent(calibrationError)} |`,
  );
  const [first] = known;
  const recalls = EMOTION_LABELS.map((label) => {
    const n = first?.people.counts[label] ?? 0;
    return `| ${label} | ${n} | ${n === 0 ? "–" : withMargin(first?.people.recall[label] ?? 0, n)} |`;
  });
  return `
On ${first?.people.n ?? 0} portraits of people none of whose pictures were in training (natural faces on news photographs and in
films, each named by one person; the same people chose the epochs, the share and the temperature):

| engine | right | mean recall without fear | calibration error |
| --- | --- | --- | --- |
${rows.join("\n")}

| label | portraits | found by ${first?.engine ?? ""} |
| --- | --- | --- |
${recalls.join("\n")}

Of the rare labels there are so few, and of so few people, that their figures may be far off on others.
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
