/**
 * Degrees, clockwise, by which a film's pictures are to be turned to stand upright: 0, 90, 180 or 270.
 *
 * OpenCV's own turning is not to be trusted: 4.6 turns quarter turns the wrong way, for it tells them the wrong way
 * round (its issue 22088), and some later ones do not turn at all.
 *
 * @param told by CAP_PROP_ORIENTATION_META
 * @param build OpenCV's build information, which names its version
 */
export function clockwiseTurn(told: number, build: string): number {
  const quarters = Math.round(told / 90);
  if (!Number.isFinite(quarters)) return 0;
  const clockwise = /OpenCV 4\.6\./.test(build) ? -quarters : quarters;
  return (((clockwise % 4) + 4) % 4) * 90;
}
