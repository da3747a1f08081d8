import { escaped, px, svgPage } from "./svg.js";
import { short } from "./table.js";

export interface LineSeries {
  readonly name: string;
  readonly ours: boolean;
  readonly values: readonly number[];
}

export interface LinePanel {
  readonly title: string;
  readonly note: string;
  /** What the values stand over, from left to right. */
  readonly at: readonly string[];
  readonly series: readonly LineSeries[];
}

const WIDTH = 960;
const HEIGHT = 300;
const TOP = 56;
const BOTTOM = 34;
const AXIS = 34;
const GAP = 22;

/** Curves beside each other over one logarithmic scale; the values are above 0. */
export function lineChart(title: string, unit: string, panels: readonly LinePanel[]): string {
  const width = (WIDTH - AXIS - GAP * panels.length) / panels.length;
  const all = panels.flatMap(({ series }) => series.flatMap(({ values }) => values));
  const [low, high] = decades(all);
  const y = (value: number) => TOP + (1 - (Math.log10(value) - low) / (high - low)) * (HEIGHT - TOP - BOTTOM);
  const body: string[] = [`<text class="soft" x="0" y="${TOP - 12}">${escaped(unit)}</text>`];
  for (let decade = low; decade <= high; decade++) {
    body.push(
      `<text class="soft end" x="${AXIS}" y="${px(y(10 ** decade) + 4)}">${10 ** decade}</text>`,
      `<path class="rule" d="M${AXIS + 8} ${px(y(10 ** decade))}H${WIDTH}"/>`,
    );
  }
  for (const [index, panel] of panels.entries()) {
    const left = AXIS + GAP + index * (width + GAP);
    const inset = 20;
    const x = (position: number) =>
      left + inset + (position * (width - 2 * inset)) / Math.max(1, panel.at.length - 1);
    body.push(
      `<text class="head" x="${px(left)}" y="18">${escaped(panel.title)}</text>`,
      `<text class="soft" x="${px(left)}" y="35">${escaped(panel.note)}</text>`,
    );
    for (const [position, label] of panel.at.entries())
      body.push(
        `<text class="soft middle" x="${px(x(position))}" y="${HEIGHT - 10}">${escaped(label)}</text>`,
      );
    for (const { name, ours, values } of panel.series) {
      const points = values.map((value, position) => `${px(x(position))} ${px(y(value))}`);
      const look = ours ? "ours" : "other";
      body.push(`<path class="line line-${look}" d="M${points.join("L")}"/>`);
      for (const [position, value] of values.entries())
        body.push(
          `<circle class="${look}" cx="${px(x(position))}" cy="${px(y(value))}" r="3"/>`,
          `<text class="middle" x="${px(x(position))}" y="${px(y(value) - 8)}">${short(value)}</text>`,
        );
      if (index > 0) continue;
      body.push(
        `<text class="${ours ? "head" : "soft"}" x="${px(x(0) - 10)}" y="${px(y(values[0] ?? 1) + 18)}">${escaped(name)}</text>`,
      );
    }
  }
  return svgPage(WIDTH, HEIGHT, title, body);
}

/** The powers of ten that the values lie between; at least one apart. */
export function decades(values: readonly number[]): [number, number] {
  const low = Math.floor(Math.log10(Math.min(...values)));
  return [low, Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))))];
}
