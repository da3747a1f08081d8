/** Text in a few lines: pure, with the width of a text in pixels given by `measure`. */

export interface Paragraph {
  readonly lines: readonly string[];
  /** Height of its capitals in pixels. */
  readonly capital: number;
}

export type Measure = (text: string, capital: number) => number;

/** Tried in turn: a long text is written smaller, but never so small that nobody reads it. */
const FORMS = [
  { size: 1, lines: 3 },
  { size: 0.85, lines: 4 },
  { size: 0.72, lines: 5 },
] as const;
const CUT = "..";

/**
 * Sets a text into at most three lines of capitals as high as asked; a longer one into more and smaller lines. What
 * even then does not fit is cut, but for its last clause: `…, retrying` says what goes on.
 */
export function fitParagraph(text: string, capital: number, width: number, measure: Measure): Paragraph {
  const words = text.split(/\s+/).filter((word) => word !== "");
  for (const { size, lines: most } of FORMS) {
    const smaller = Math.max(7, Math.round(capital * size));
    const lines = breakLines(words, (line) => measure(line, smaller) <= width);
    if (lines.length <= most) return { lines, capital: smaller };
  }
  const { size, lines: most } = FORMS[2];
  const smaller = Math.max(7, Math.round(capital * size));
  const fits = (line: string) => measure(line, smaller) <= width;
  const lines = breakLines(words, fits).slice(0, most);
  const end = /, [^,;:]{1,20}$/.exec(text)?.[0] ?? "";
  let last = lines.pop() ?? "";
  while (last !== "" && !fits(`${last}${CUT}${end}`)) last = last.slice(0, -1);
  return { lines: [...lines, `${last.trimEnd()}${CUT}${end}`], capital: smaller };
}

/** Greedily; a word that is wider than a line (a path, an address) goes on in the next one. */
function breakLines(words: readonly string[], fits: (line: string) => boolean): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of words) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (fits(longer)) {
      line = longer;
      continue;
    }
    if (line !== "") lines.push(line);
    line = word;
    while (!fits(line) && line.length > 1) {
      const length = breakAt(line, fits);
      lines.push(line.slice(0, length));
      line = line.slice(length);
    }
  }
  return line === "" ? lines : [...lines, line];
}

/** How much of a word goes on this line: up to the last sign of an address that fits, else as many letters as fit. */
function breakAt(word: string, fits: (line: string) => boolean): number {
  let most = word.length - 1;
  while (most > 1 && !fits(word.slice(0, most))) most--;
  const sign = Math.max(
    ...["/", ":", "-", "_", ".", "?", "&"].map((one) => word.lastIndexOf(one, most - 1) + 1),
  );
  return sign > most / 2 ? sign : most;
}
