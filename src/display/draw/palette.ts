import type { FaceLabel } from "../../base/labels.js";

/** Red, green, blue, 0..255. */
export interface Colour {
  readonly red: number;
  readonly green: number;
  readonly blue: number;
}

const rgb = (hex: number): Colour => ({ red: hex >> 16, green: (hex >> 8) & 0xff, blue: hex & 0xff });

/**
 * Okabe and Ito's colours, which people with any of the common colour blindnesses tell apart
 * (https://jfly.uni-koeln.de/color/). Their black would not show on a dark panel: neutral is a light grey.
 */
export const EMOTION_COLOURS: Readonly<Record<FaceLabel, Colour>> = {
  angry: rgb(0xd55e00),
  disgust: rgb(0x009e73),
  fear: rgb(0xcc79a7),
  happy: rgb(0xf0e442),
  sad: rgb(0x0072b2),
  surprise: rgb(0x56b4e9),
  neutral: rgb(0xc8c8c8),
  uncertain: rgb(0xffffff),
};

export const BLACK = rgb(0x000000);
export const WHITE = rgb(0xffffff);
/** Behind text and bars. */
export const INK = rgb(0x10141a);
/** The empty part of a bar. */
export const TROUGH = rgb(0x2e353e);
/** Text of lesser weight. */
export const MUTED = rgb(0xb4bcc6);
export const GOOD = rgb(0x56b4e9);
export const WARNING = rgb(0xe69f00);

/** Black or white, whichever reads better on the colour (WCAG's relative luminance). */
export function textOn({ red, green, blue }: Colour): Colour {
  const linear = (channel: number) => {
    const value = channel / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  const luminance = 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
  return luminance > 0.179 ? BLACK : WHITE;
}
