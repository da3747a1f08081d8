import { escaped, px, svgPage } from "./svg.js";
import { short } from "./table.js";

export interface BarRow {
  readonly name: string;
  readonly ours: boolean;
}

export interface BarPanel {
  readonly title: string;
  readonly note: string;
  /** One for each row; null is left empty. */
  readonly values: readonly (number | null)[];
  /** What fills the panel; the largest value when absent. */
  readonly full?: number;
}

const ROW = 22;
const BAR = 14;
const HEAD = 50;
const LABELS = 200;
const GAP = 26;
const VALUE = 44;
const ACROSS = 3;
const WIDTH = 960;

/** Figures of several programs beside each other: a panel for each figure, a bar for each program. */
export function barChart(title: string, rows: readonly BarRow[], panels: readonly BarPanel[]): string {
  const width = (WIDTH - LABELS - GAP * ACROSS) / ACROSS;
  const height = HEAD + rows.length * ROW + 24;
  const body: string[] = [];
  for (const [index, panel] of panels.entries()) {
    const left = LABELS + GAP + (index % ACROSS) * (width + GAP);
    const top = Math.floor(index / ACROSS) * height;
    if (index % ACROSS === 0) {
      for (const [row, { name, ours }] of rows.entries()) {
        const y = top + HEAD + row * ROW + BAR - 2;
        const look = ours ? "end head" : "end";
        body.push(`<text class="${look}" x="${LABELS}" y="${px(y)}">${escaped(name)}</text>`);
      }
    }
    body.push(
      `<text class="head" x="${px(left)}" y="${px(top + 18)}">${escaped(panel.title)}</text>`,
      `<text class="soft" x="${px(left)}" y="${px(top + 35)}">${escaped(panel.note)}</text>`,
    );
    const full = panel.full ?? Math.max(...panel.values.map((value) => value ?? 0));
    for (const [row, { ours }] of rows.entries()) {
      const value = panel.values[row] ?? null;
      const y = top + HEAD + row * ROW;
      const length = value === null || full <= 0 ? 0 : (value / full) * (width - VALUE);
      body.push(
        `<rect class="${ours ? "ours" : "other"}" x="${px(left)}" y="${px(y)}" width="${px(Math.max(length, value === null ? 0 : 1))}" height="${BAR}" rx="2"/>`,
        `<text class="soft" x="${px(left + length + 5)}" y="${px(y + BAR - 2)}">${short(value)}</text>`,
      );
    }
  }
  return svgPage(WIDTH, Math.ceil(panels.length / ACROSS) * height, title, body);
}
