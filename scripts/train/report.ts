import { EMOTION_LABELS } from "../../src/base/labels.js";
import type { EpochRecord } from "./checkpoint.js";
import type { Scores } from "./metrics.js";

export interface ReportOptions {
  readonly title: string;
  /** Facts below the title, as label and value. */
  readonly facts: readonly (readonly [label: string, value: string])[];
  readonly history: readonly EpochRecord[];
  readonly original: Scores;
  readonly ferplus: Scores | null;
}

/** A page of its own, without scripts or anything from elsewhere: curves, confusion matrices, recall of each label. */
export function reportPage(options: ReportOptions): string {
  const { title, facts, history, original, ferplus } = options;
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title>
<style>
  :root { color-scheme: light dark; --ink: #1d2430; --soft: #6a7485; --line: #e2e6ec; --card: #fff; --page: #f5f7fa; --a: #2563eb; --b: #0d9488; --c: #d97706; --cell: 37, 99, 235 }
  @media (prefers-color-scheme: dark) { :root { --ink: #e7ebf2; --soft: #93a0b4; --line: #2b3444; --card: #161c27; --page: #0d1118; --a: #6ea0ff; --b: #3fd1bf; --c: #f2b04d; --cell: 110, 160, 255 } }
  body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, sans-serif }
  main { max-width: 1080px; margin: 0 auto; padding: 40px 20px 64px }
  h1 { font-size: 28px; margin: 0 0 16px; letter-spacing: -0.02em }
  h2 { font-size: 15px; margin: 0 0 12px; font-weight: 600 }
  .facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin-bottom: 24px }
  .fact, section { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 14px 18px }
  .fact b { display: block; font-size: 20px; font-variant-numeric: tabular-nums }
  .fact span, .legend, svg text { color: var(--soft); fill: var(--soft); font-size: 12px }
  .grid { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(440px, 100%), 1fr)); gap: 20px }
  section { padding: 18px }
  svg { width: 100%; height: auto; display: block }
  table { border-collapse: collapse; width: 100%; font-size: 12px; font-variant-numeric: tabular-nums; table-layout: fixed }
  td, th { padding: 6px 2px; text-align: center; font-weight: 400; overflow: hidden; text-overflow: ellipsis }
  th { color: var(--soft) } th:first-child { width: 64px; text-align: right; padding-right: 8px }
  .bar { display: grid; grid-template-columns: 68px 1fr 60px; gap: 10px; align-items: center; margin: 9px 0 }
  .bar span:last-child { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
  .bar i { display: block; height: 10px; border-radius: 5px; background: var(--a) }
  .bar u { display: block; background: var(--line); border-radius: 5px; text-decoration: none }
  .legend i { display: inline-block; width: 10px; height: 10px; border-radius: 3px; margin: 0 5px 0 14px }
  .legend i:first-child { margin-left: 0 }
</style>
<main>
<h1>${escaped(title)}</h1>
<div class="facts">${facts.map(([label, value]) => `<div class="fact"><span>${escaped(label)}</span><b>${escaped(value)}</b></div>`).join("")}</div>
<div class="grid">
${history.length === 0 ? "" : curves(history)}
<section><h2>Confusion, original labels (rows true, % of row)</h2>${matrix(original)}</section>
${ferplus === null ? "" : `<section><h2>Confusion, FER+ majority (rows true, % of row)</h2>${matrix(ferplus)}</section>`}
<section><h2>Recall, original labels</h2>${bars(original)}</section>
${ferplus === null ? "" : `<section><h2>Recall, FER+ majority</h2>${bars(ferplus)}</section>`}
</div>
</main>
</html>
`;
}

/** What a model that was exported without training has none of. */
function curves(history: readonly EpochRecord[]): string {
  return `<section><h2>Accuracy by epoch</h2>${chart([
    { name: "original labels", colour: "var(--a)", values: history.map(({ accuracy }) => accuracy * 100) },
    {
      name: "FER+ majority",
      colour: "var(--b)",
      values: history.flatMap(({ ferplus: share }) => (share === null ? [] : [share * 100])),
    },
  ])}</section>
<section><h2>Training loss by epoch</h2>${chart([{ name: "loss", colour: "var(--c)", values: history.map(({ loss }) => loss) }])}</section>`;
}

interface Curve {
  readonly name: string;
  readonly colour: string;
  readonly values: readonly number[];
}

const CHART = { width: 480, height: 240, left: 40, right: 8, top: 8, bottom: 22 };

function chart(curves: readonly Curve[]): string {
  const drawn = curves.filter(({ values }) => values.length > 0);
  const all = drawn.flatMap(({ values }) => values);
  const [low, high] = padded(Math.min(...all), Math.max(...all));
  const epochs = Math.max(...drawn.map(({ values }) => values.length));
  const x = (i: number) =>
    CHART.left + ((CHART.width - CHART.left - CHART.right) * i) / Math.max(1, epochs - 1);
  const y = (value: number) =>
    CHART.top + ((CHART.height - CHART.top - CHART.bottom) * (high - value)) / (high - low);
  const grid = [0, 0.25, 0.5, 0.75, 1].map((share) => low + (high - low) * share);
  const digits = high - low < 5 ? 2 : 0;
  const lines = grid.map(
    (value) =>
      `<line x1="${CHART.left}" x2="${CHART.width - CHART.right}" y1="${y(value).toFixed(1)}" y2="${y(value).toFixed(1)}" stroke="var(--line)"/>` +
      `<text x="${CHART.left - 6}" y="${(y(value) + 4).toFixed(1)}" text-anchor="end">${value.toFixed(digits)}</text>`,
  );
  const paths = drawn.map(({ colour, values }) => {
    const points = values.map((value, i) => `${x(i).toFixed(1)},${y(value).toFixed(1)}`);
    const end = values.length - 1;
    return (
      `<polyline points="${points.join(" ")}" fill="none" stroke="${colour}" stroke-width="2" stroke-linejoin="round"/>` +
      `<circle cx="${x(end).toFixed(1)}" cy="${y(values[end] as number).toFixed(1)}" r="3.5" fill="${colour}"/>`
    );
  });
  const ends = [1, epochs].map(
    (epoch) =>
      `<text x="${x(epoch - 1).toFixed(1)}" y="${CHART.height - 4}" text-anchor="${epoch === 1 ? "start" : "end"}">${epoch}</text>`,
  );
  const legend = drawn.map(
    ({ name, colour, values }) =>
      `<i style="background:${colour}"></i>${escaped(name)} ${(values.at(-1) ?? 0).toFixed(digits === 0 ? 1 : 3)}`,
  );
  return `<svg viewBox="0 0 ${CHART.width} ${CHART.height}" role="img">${lines.join("")}${paths.join("")}${ends.join("")}</svg><div class="legend">${legend.join("")}</div>`;
}

function padded(low: number, high: number): readonly [number, number] {
  const margin = Math.max((high - low) * 0.08, 1e-6);
  return [Math.max(0, low - margin), high + margin];
}

function matrix({ confusion }: Scores): string {
  const head = EMOTION_LABELS.map((label) => `<th title="${label}">${label}</th>`).join("");
  const rows = EMOTION_LABELS.map((label, i) => {
    const counts = confusion[i] ?? [];
    const total = counts.reduce((sum, count) => sum + count, 0);
    const cells = counts.map((count) => {
      const share = total === 0 ? 0 : count / total;
      const ink = share > 0.55 ? "color:#fff" : "";
      return `<td style="background:rgba(var(--cell),${share.toFixed(2)});${ink}" title="${count}">${(share * 100).toFixed(0)}</td>`;
    });
    return `<tr><th>${label}</th>${cells.join("")}</tr>`;
  });
  return `<table><tr><th></th>${head}</tr>${rows.join("")}</table>`;
}

function bars({ recall }: Scores): string {
  return EMOTION_LABELS.map((label, i) => {
    const percent = ((recall[i] || 0) * 100).toFixed(1);
    return `<div class="bar"><span>${label}</span><u><i style="width:${percent}%"></i></u><span>${percent} %</span></div>`;
  }).join("");
}

function escaped(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
  };
  return text.replace(/[&<>"]/g, (character) => entities[character] ?? character);
}
