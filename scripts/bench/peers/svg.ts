/** Text as it may stand in SVG. */
export function escaped(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}

/** A number of the drawing, to a tenth of a pixel. */
export function px(value: number): string {
  return String(Math.round(value * 10) / 10);
}

/** A whole picture, which follows the reader's light or dark page. */
export function svgPage(width: number, height: number, title: string, body: readonly string[]): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${px(width)} ${px(height)}" role="img" aria-label="${escaped(title)}">
<title>${escaped(title)}</title>
<style>
text { font: 12px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328 }
.head { font-weight: 600; font-size: 13px }
.soft { fill: #59636e }
.end { text-anchor: end }
.middle { text-anchor: middle }
.ours { fill: #0b7a75 }
.other { fill: #a9b3bd }
.rule { stroke: #d1d9e0; fill: none }
.line { fill: none; stroke-width: 2 }
.line-ours { stroke: #0b7a75 }
.line-other { stroke: #8c959f }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.soft { fill: #9198a1 }
.ours { fill: #2fc4b8 }
.other { fill: #59636e }
.rule { stroke: #3d444d }
.line-ours { stroke: #2fc4b8 }
.line-other { stroke: #9198a1 }
}
</style>
${body.join("\n")}
</svg>
`;
}
