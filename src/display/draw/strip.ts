import type { Box } from "../../base/box.js";
import type { Mat } from "../../base/opencv.js";
import type { Scene } from "../scene.js";
import { type Colour, GOOD, INK, MUTED, WARNING, WHITE } from "./palette.js";
import { disc, fill, measure, polygon, shorten, toAscii, type Weight, write } from "./pencil.js";

interface Item {
  readonly text: string;
  readonly colour: Colour;
  readonly weight: Weight;
  /** A disc for good, a triangle for a warning: the shape tells them apart without the colour. */
  readonly sign?: "good" | "warning";
  readonly side: "left" | "right";
  /** Where room is short, the highest number goes first. */
  readonly rank: number;
}

/** Draws the status strip: device, camera and broker on the left, frames a second and the clock on the right. */
export function drawStrip(picture: Mat, strip: Box, scene: Scene, capital: number): void {
  fill(picture, strip, INK);
  const gap = Math.round(capital * 1.6);
  const cameraIsGood = scene.camera === "running";
  const items = (
    [
      { text: scene.device, colour: WHITE, weight: "bold", side: "left", rank: 3 },
      {
        text: `camera ${scene.camera}`,
        colour: cameraIsGood ? MUTED : WARNING,
        weight: "regular",
        sign: cameraIsGood ? "good" : "warning",
        side: "left",
        rank: cameraIsGood ? 2 : 0,
      },
      {
        text: `broker ${scene.broker}`,
        colour: scene.broker === "connected" ? MUTED : WARNING,
        weight: "regular",
        sign: scene.broker === "connected" ? "good" : "warning",
        side: "left",
        rank: scene.broker === "connected" ? 4 : 1,
      },
      { text: `${scene.fps.toFixed(1)} fps`, colour: MUTED, weight: "regular", side: "right", rank: 5 },
      { text: scene.clock, colour: WHITE, weight: "bold", side: "right", rank: 2.5 },
    ] satisfies Item[] as Item[]
  ).map((item) => ({ ...item, text: shorten(toAscii(item.text), capital, strip.width * 0.45, item.weight) }));

  const sign = Math.round(capital * 0.42);
  const widthOf = (item: Item) =>
    measure(item.text, capital, item.weight).width + (item.sign === undefined ? 0 : sign * 2 + capital * 0.5);
  const total = (list: readonly Item[]) => list.reduce((sum, item) => sum + widthOf(item) + gap, gap);
  let shown = items.filter((item) => item.text !== "");
  while (shown.length > 1 && total(shown) > strip.width) {
    const last = shown.reduce((worst, item) => (item.rank > worst.rank ? item : worst));
    shown = shown.filter((item) => item !== last);
  }

  const baseline = strip.y + Math.round((strip.height + capital) / 2);
  const middle = strip.y + strip.height / 2;
  let left = strip.x + gap;
  let right = strip.x + strip.width - gap;
  const draw = (item: Item, x: number) => {
    let textX = x;
    if (item.sign !== undefined) {
      drawSign(picture, item.sign, x + sign, middle, sign);
      textX += sign * 2 + capital * 0.5;
    }
    write(picture, item.text, textX, baseline, capital, item.colour, item.weight);
  };
  for (const item of shown.filter(({ side }) => side === "left")) {
    draw(item, left);
    left += widthOf(item) + gap;
  }
  for (const item of shown.filter(({ side }) => side === "right").reverse()) {
    right -= widthOf(item);
    draw(item, right);
    right -= gap;
  }
}

function drawSign(picture: Mat, sign: "good" | "warning", x: number, y: number, radius: number): void {
  if (sign === "good") disc(picture, x, y, radius, GOOD);
  else {
    const top = [x, y - radius * 1.2] as const;
    const right = [x + radius * 1.2, y + radius] as const;
    const left = [x - radius * 1.2, y + radius] as const;
    polygon(picture, [top, right, left], WARNING);
  }
}
