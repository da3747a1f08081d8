import { EMOTION_LABELS } from "../../src/base/labels.js";
import type { Evaluation } from "./evaluate.js";

const percent = (share: number) => `${(share * 100).toFixed(1)} %`.padStart(7);

/** The evaluation as a table for people. */
export function asText(result: Evaluation): string {
  // Normal approximation of the binomial; at some thousand rows the exact one is the same to a tenth of a point.
  const margin = 1.96 * Math.sqrt((result.accuracy * (1 - result.accuracy)) / result.n);
  return [
    `${result.engine}, ${result.split}: ${percent(result.accuracy).trim()} ± ${(margin * 100).toFixed(1)} of ${result.n} right, mean recall without fear ${percent(result.meanRecall).trim()}`,
    ...(result.ferplus === null
      ? []
      : [
          `against the FER+ majority: ${percent(result.ferplus.accuracy).trim()} of ${result.ferplus.n}, calibration error against what most saw ${percent(result.ferplus.calibrationError).trim()}`,
        ]),
    `calibration error against the labels ${percent(result.calibrationError).trim()}, ${result.msPerFace.toFixed(2)} ms a face`,
    "",
    `${"".padEnd(10)}precision  recall      f1     n`,
    ...EMOTION_LABELS.map((label) => {
      const { precision, recall, f1, n } = result.perClass[label];
      return `${label.padEnd(10)} ${percent(precision)} ${percent(recall)} ${percent(f1)} ${String(n).padStart(5)}`;
    }),
    "",
    "confusion, rows true, columns named:",
    ...EMOTION_LABELS.map(
      (label, i) =>
        label.padEnd(10) + (result.confusion[i] ?? []).map((count) => String(count).padStart(6)).join(""),
    ),
  ].join("\n");
}
