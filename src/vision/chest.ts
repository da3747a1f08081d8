import type { Box } from "../base/box.js";

/** Where a face's owner has a chest, in face widths from its middle, and the size up to which a face there is doubted. */
const CHEST = { across: 0.9, from: 0.7, to: 2.5, size: 1.3 };

/** Whether a guess lies on the chest of a face: collars, badges and folds of a shirt are the likeliest false alarms. */
export function isOnChest(guess: Box, face: Box): boolean {
  const across = Math.abs(guess.x + guess.width / 2 - face.x - face.width / 2) / face.width;
  const down = (guess.y + guess.height / 2 - face.y - face.height / 2) / face.width;
  const isSmall = guess.width < CHEST.size * face.width;
  return isSmall && across < CHEST.across && down > CHEST.from && down < CHEST.to;
}
