import { type Box, clamp } from "../../base/box.js";
import { EMOTION_LABELS, type EmotionLabel } from "../../base/labels.js";
import type { Mat } from "../../base/opencv.js";
import type { Scene, SceneFace } from "../scene.js";
import { pixelate } from "./blur.js";
import { stripHeight } from "./canvas.js";
import { type FaceToPlace, type LayoutMemory, layOut, type PanelSizes } from "./layout.js";
import { EMOTION_COLOURS, INK, MUTED, TROUGH, textOn, WHITE } from "./palette.js";
import { fill, line, measure, outline, type Size, shade, write } from "./pencil.js";
import { createSprites, type Sprites } from "./sprites.js";
import { drawStrip } from "./strip.js";

/** Sizes in pixels that follow the picture's height, so that it reads the same on every monitor. */
interface Measures {
  /** Height of the capitals of a label: 2.9 % is 9 mm on a 24-inch 1080p monitor, which reads from two metres. */
  readonly large: number;
  /** Height of the capitals of everything else. */
  readonly small: number;
  readonly tiny: number;
  readonly stroke: number;
  readonly padding: number;
  readonly panels: PanelSizes;
}

function measuresFor(height: number): Measures {
  const percent = (part: number, least: number) => Math.max(least, Math.round((height * part) / 100));
  const small = percent(2.1, 7);
  const tiny = percent(1.6, 6);
  const padding = percent(1.1, 3);
  const nameWidth = Math.max(...EMOTION_LABELS.map((label) => measure(label, small, "bold").width));
  const row = Math.round(small * 1.68);
  return {
    large: percent(2.9, 9),
    small,
    tiny,
    stroke: percent(0.5, 2),
    padding,
    panels: {
      full: {
        width: nameWidth + percent(12, 30) + 3 * padding,
        height: row * (EMOTION_LABELS.length + 1) + padding,
      },
      compact: {
        width: percent(3.1, 10) * EMOTION_LABELS.length + 2 * padding,
        height: percent(6, 20) + 2 * tiny + 4 * padding,
      },
      gap: padding,
    },
  };
}

/** How much of the picture still shows under a panel. */
const PANEL_KEEPS = 0.22;

/** Under the seven bars of a compact panel: short, and no two alike. */
const INITIALS: Readonly<Record<EmotionLabel, string>> = {
  angry: "A",
  disgust: "D",
  fear: "F",
  happy: "H",
  sad: "Sa",
  surprise: "Su",
  neutral: "N",
};

export interface AnnotateOptions {
  /** Where the frame lies on the picture, in pixels: the whole picture unless told. */
  readonly place?: Box;
  /** One per stream of pictures; without it every picture is drawn from nothing. */
  readonly memory?: AnnotateMemory;
}

/** What a stream of pictures keeps from one to the next. */
export interface AnnotateMemory {
  /** Keeps panels from jumping. */
  readonly layout: LayoutMemory;
  readonly sprites: Sprites;
}

export function createMemory(): AnnotateMemory {
  return { layout: new Map(), sprites: createSprites() };
}

/**
 * Draws the scene on a BGR picture, in place: what is to be hidden is pixelated first; then a box, a tag and seven score bars for each face, and the status strip
 * at the foot. Synchronous, about a millisecond at 1280×720; the caller keeps owning the Mat.
 */
export function annotate(picture: Mat, scene: Scene, options: AnnotateOptions = {}): void {
  const memory = options.memory ?? createMemory();
  try {
    draw(picture, scene, options.place, memory);
  } finally {
    if (options.memory === undefined) memory.sprites.clear();
  }
}

function draw(picture: Mat, scene: Scene, where: Box | undefined, { layout, sprites }: AnnotateMemory): void {
  const canvas: Size = { width: picture.cols, height: picture.rows };
  const strip = stripHeight(canvas.height);
  const place = where ?? { x: 0, y: 0, ...canvas };
  pixelate(
    picture,
    scene.hidden.map((box) => onCanvas(box, place)),
  );
  const measures = measuresFor(canvas.height);
  const faces = scene.faces.map((face) => ({
    face,
    box: onCanvas(face.box, place),
    ...tagOf(face, measures),
  }));

  const placements = layOut(
    faces.map(({ face, box, tag }): FaceToPlace => ({ trackId: face.trackId, box, tag })),
    { x: 0, y: 0, width: canvas.width, height: canvas.height - strip },
    measures.panels,
    place,
    layout,
  );
  for (const { face, box } of faces) drawBox(picture, box, face, measures);
  // Panels before tags: where they must overlap, the name stays readable.
  for (const { face } of faces) {
    const placement = placements.get(face.trackId);
    if (placement?.form === "full") drawPanel(picture, placement.panel, face, measures, sprites);
    if (placement?.form === "compact") drawCompactPanel(picture, placement.panel, face, measures, sprites);
  }
  for (const { face, name } of faces) {
    const placement = placements.get(face.trackId);
    if (placement !== undefined) drawTag(picture, placement.tag, face, name, measures);
  }
  const foot = { x: 0, y: canvas.height - strip, width: canvas.width, height: strip };
  const told = JSON.stringify([scene.device, scene.camera, scene.broker, scene.fps.toFixed(1), scene.clock]);
  sprites.stamp(picture, `strip ${told}`, foot, (blank) =>
    drawStrip(blank, { ...foot, y: 0 }, scene, measures.small),
  );
}

/** A box in fractions of the frame, in whole pixels of the canvas. */
export function onCanvas(box: Box, place: Box): Box {
  const x = Math.round(place.x + clamp(box.x, 0, 1) * place.width);
  const y = Math.round(place.y + clamp(box.y, 0, 1) * place.height);
  const right = Math.round(place.x + clamp(box.x + box.width, 0, 1) * place.width);
  const bottom = Math.round(place.y + clamp(box.y + box.height, 0, 1) * place.height);
  return { x, y, width: Math.max(1, right - x), height: Math.max(1, bottom - y) };
}

function tagOf(face: SceneFace, { large, padding }: Measures) {
  const name = `${face.label} ${Math.round(face.confidence * 100)}%`;
  const width = measure(name, large, "bold").width + 2 * padding;
  return { name, tag: { width, height: Math.round(large * 1.75) } };
}

/** How long a face has been in view, short enough for a tag. */
export function ageText(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m ${String(whole % 60).padStart(2, "0")}s`;
  return `${Math.floor(whole / 3600)}h ${String(Math.floor((whole % 3600) / 60)).padStart(2, "0")}m`;
}

function drawBox(picture: Mat, box: Box, face: SceneFace, { stroke }: Measures): void {
  const colour = EMOTION_COLOURS[face.label];
  if (face.label === "uncertain") {
    drawDashedBox(picture, box, face, stroke);
    return;
  }
  // A dark rim keeps the line apart from a background of its own colour.
  outline(picture, box, INK, stroke + 2);
  outline(picture, box, colour, stroke);
  const arm = Math.round(Math.min(box.width, box.height) * 0.16);
  const thick = stroke * 2;
  const left = box.x - stroke;
  const top = box.y - stroke;
  const right = box.x + box.width + stroke;
  const bottom = box.y + box.height + stroke;
  for (const x of [left, right - arm]) {
    for (const y of [top, bottom - thick]) fill(picture, { x, y, width: arm, height: thick }, colour);
  }
  for (const x of [left, right - thick]) {
    for (const y of [top, bottom - arm]) fill(picture, { x, y, width: thick, height: arm }, colour);
  }
}

function drawDashedBox(picture: Mat, box: Box, face: SceneFace, stroke: number): void {
  const colour = EMOTION_COLOURS[face.label];
  const right = box.x + box.width - 1;
  const bottom = box.y + box.height - 1;
  const dash = Math.max(stroke * 3, Math.round((box.width + box.height) / 24));
  const edges = [
    [
      [box.x, box.y],
      [right, box.y],
    ],
    [
      [right, box.y],
      [right, bottom],
    ],
    [
      [right, bottom],
      [box.x, bottom],
    ],
    [
      [box.x, bottom],
      [box.x, box.y],
    ],
  ] as const;
  for (const [from, to] of edges) {
    const length = Math.hypot(to[0] - from[0], to[1] - from[1]);
    // An odd number of equal steps starts and ends each edge with a dash, which closes the corners.
    const steps = Math.max(1, Math.round(length / dash)) | 1;
    const at = (step: number): [number, number] => [
      from[0] + ((to[0] - from[0]) * step) / steps,
      from[1] + ((to[1] - from[1]) * step) / steps,
    ];
    line(picture, from, to, INK, stroke + 2);
    for (let step = 0; step < steps; step += 2) line(picture, at(step), at(step + 1), colour, stroke);
  }
}

function drawTag(picture: Mat, tag: Box, face: SceneFace, name: string, { large, padding }: Measures): void {
  const colour = EMOTION_COLOURS[face.label];
  fill(picture, tag, colour);
  const baseline = tag.y + Math.round((tag.height + large) / 2);
  write(picture, name, tag.x + padding, baseline, large, textOn(colour), "bold");
}

function drawPanel(
  picture: Mat,
  panel: Box,
  face: SceneFace,
  { small, padding }: Measures,
  sprites: Sprites,
): void {
  const row = (panel.height - padding) / (EMOTION_LABELS.length + 1);
  const nameWidth = Math.max(...EMOTION_LABELS.map((label) => measure(label, small, "bold").width));
  const barX = 2 * padding + nameWidth;
  const barWidth = panel.width - padding - barX;
  const barHeight = Math.max(3, Math.round(row * 0.5));
  const middle = (index: number) => padding / 2 + row * (index + 0.5);
  const bar = (index: number): Box => ({
    x: barX,
    y: Math.round(middle(index) - barHeight / 2),
    width: barWidth,
    height: barHeight,
  });

  shade(picture, panel, PANEL_KEEPS);
  sprites.stamp(picture, `full ${face.label}`, panel, (blank) => {
    for (const [index, label] of EMOTION_LABELS.entries()) {
      const strongest = label === face.label;
      const baseline = middle(index) + small / 2;
      write(
        blank,
        label,
        padding,
        baseline,
        small,
        strongest ? WHITE : MUTED,
        strongest ? "bold" : "regular",
      );
      fill(blank, bar(index), TROUGH);
    }
  });
  for (const [index, label] of EMOTION_LABELS.entries()) {
    const whole = moved(bar(index), panel);
    const width = Math.round(barWidth * clamp(face.scores[label], 0, 1));
    fill(picture, { ...whole, width }, EMOTION_COLOURS[label]);
    // The named emotion is told by a frame as well, not by its colour alone.
    if (label === face.label) outline(picture, whole, WHITE, 1);
  }
  const baseline = panel.y + middle(EMOTION_LABELS.length) + small / 2;
  write(picture, `for ${ageText(face.ageSeconds)}`, panel.x + padding, baseline, small, MUTED);
}

function drawCompactPanel(
  picture: Mat,
  panel: Box,
  face: SceneFace,
  { tiny, padding }: Measures,
  sprites: Sprites,
): void {
  const pitch = (panel.width - 2 * padding) / EMOTION_LABELS.length;
  const barWidth = Math.max(3, Math.round(pitch * 0.62));
  const height = panel.height - 2 * tiny - 4 * padding;
  const centre = (index: number) => padding + pitch * (index + 0.5);
  const bar = (index: number): Box => ({
    x: Math.round(centre(index) - barWidth / 2),
    y: padding,
    width: barWidth,
    height,
  });

  shade(picture, panel, PANEL_KEEPS);
  sprites.stamp(picture, `compact ${face.label}`, panel, (blank) => {
    for (const [index, label] of EMOTION_LABELS.entries()) {
      const text = INITIALS[label];
      const x = centre(index) - measure(text, tiny).width / 2;
      fill(blank, bar(index), TROUGH);
      write(blank, text, x, height + 2 * padding + tiny, tiny, label === face.label ? WHITE : MUTED);
    }
  });
  for (const [index, label] of EMOTION_LABELS.entries()) {
    const whole = moved(bar(index), panel);
    const value = Math.round(height * clamp(face.scores[label], 0, 1));
    fill(picture, { ...whole, y: whole.y + height - value, height: value }, EMOTION_COLOURS[label]);
    if (label === face.label) outline(picture, whole, WHITE, 1);
  }
  const age = `for ${ageText(face.ageSeconds)}`;
  const x = panel.x + (panel.width - measure(age, tiny).width) / 2;
  write(picture, age, x, panel.y + panel.height - padding, tiny, MUTED);
}

const moved = (box: Box, by: Box): Box => ({ ...box, x: box.x + by.x, y: box.y + by.y });
