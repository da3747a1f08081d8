import { EMOTION_LABELS } from "../../src/base/labels.js";
import type { Scores } from "./metrics.js";

const CELL = 52;
const LEFT = 84;
const TOP = 64;
const RIGHT = 16;
const BOTTOM = 16;

/** A confusion matrix as an SVG picture: rows are the true labels, each cell the percentage of its row. */
export function confusionPicture(title: string, { accuracy, confusion }: Scores): string {
  const width = LEFT + CELL * EMOTION_LABELS.length + RIGHT;
  const height = TOP + CELL * EMOTION_LABELS.length + BOTTOM;
  const cells = confusion.flatMap((counts, row) => {
    const total = counts.reduce((sum, count) => sum + count, 0);
    return counts.map((count, column) => {
      const share = total === 0 ? 0 : count / total;
      const x = LEFT + column * CELL;
      const y = TOP + row * CELL;
      return (
        `<rect x="${x}" y="${y}" width="${CELL - 2}" height="${CELL - 2}" rx="4" fill="#2563eb" fill-opacity="${Math.max(0.05, share).toFixed(2)}"/>` +
        `<text x="${x + CELL / 2 - 1}" y="${y + CELL / 2 + 4}" text-anchor="middle" fill="${share > 0.5 ? "#fff" : "#1d2430"}">${(share * 100).toFixed(0)}</text>`
      );
    });
  });
  const labels = EMOTION_LABELS.flatMap((label, i) => [
    `<text x="${LEFT + i * CELL + CELL / 2 - 1}" y="${TOP - 8}" text-anchor="middle">${label}</text>`,
    `<text x="${LEFT - 8}" y="${TOP + i * CELL + CELL / 2 + 4}" text-anchor="end">${label}</text>`,
  ]);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="system-ui, sans-serif" font-size="12" fill="#6a7485">
<title>${title}: confusion matrix</title>
<rect width="${width}" height="${height}" rx="12" fill="#fff"/>
<text x="${LEFT}" y="28" font-size="16" font-weight="600" fill="#1d2430">${title}: ${(accuracy * 100).toFixed(1)} %</text>
${[...labels, ...cells].join("\n")}
</svg>
`;
}
