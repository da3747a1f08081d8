import type { Mat } from "../../base/opencv.js";
import { stripHeight } from "./canvas.js";
import { type Colour, INK, MUTED, WARNING, WHITE } from "./palette.js";
import { fitParagraph } from "./paragraph.js";
import { fill, line, measure, outline, shorten, toAscii, type Weight, write } from "./pencil.js";

/** What a picture without a camera says. */
export interface Notice {
  readonly title: string;
  readonly detail: string;
  readonly device: string;
  readonly clock: string;
}

/** Draws a notice over the whole picture, in place: nobody should take an old frame for the present. */
export function drawPlaceholder(picture: Mat, notice: Notice): void {
  const { cols: width, rows: height } = picture;
  fill(picture, { x: 0, y: 0, width, height }, INK);
  const large = Math.max(10, Math.round(height * 0.055));
  const detail = fitParagraph(
    toAscii(notice.detail),
    Math.max(8, Math.round(height * 0.03)),
    width * 0.86,
    (text, capital) => measure(text, capital).width,
  );

  const side = Math.round(height * 0.2);
  drawCamera(picture, width / 2, height * 0.3, side);
  const centred = (text: string, y: number, capital: number, colour: Colour, weight: Weight) => {
    const shown = shorten(toAscii(text), capital, width * 0.92, weight);
    write(picture, shown, (width - measure(shown, capital, weight).width) / 2, y, capital, colour, weight);
  };
  centred(notice.title, height * 0.56, large, WHITE, "bold");
  for (const [index, text] of detail.lines.entries()) {
    centred(text, height * 0.65 + index * detail.capital * 1.9, detail.capital, MUTED, "regular");
  }

  const strip = stripHeight(height);
  const capital = Math.max(7, Math.round(height * 0.021));
  const baseline = height - strip + Math.round((strip + capital) / 2);
  const gap = Math.round(capital * 1.6);
  const clock = toAscii(notice.clock);
  const clockX = width - gap - measure(clock, capital, "bold").width;
  write(
    picture,
    shorten(toAscii(notice.device), capital, clockX - 2 * gap, "bold"),
    gap,
    baseline,
    capital,
    WHITE,
    "bold",
  );
  write(picture, clock, clockX, baseline, capital, WHITE, "bold");
}

/** A camera, struck through. */
function drawCamera(picture: Mat, x: number, y: number, side: number): void {
  const stroke = Math.max(2, Math.round(side / 24));
  const body = { x: x - side * 0.6, y: y - side * 0.32, width: side * 0.85, height: side * 0.64 };
  outline(picture, body, MUTED, stroke);
  const front = body.x + body.width;
  const lens: readonly (readonly [number, number])[] = [
    [front, y - side * 0.08],
    [front + side * 0.35, y - side * 0.28],
    [front + side * 0.35, y + side * 0.28],
    [front, y + side * 0.08],
  ];
  for (const [index, from] of lens.slice(0, -1).entries()) {
    const to = lens[index + 1];
    if (to !== undefined) line(picture, from, to, MUTED, stroke);
  }
  const slash = [
    [x - side * 0.62, y + side * 0.5],
    [x + side * 0.62, y - side * 0.5],
  ] as const;
  line(picture, slash[0], slash[1], INK, stroke * 4);
  line(picture, slash[0], slash[1], WARNING, stroke + 1);
}
