/** A point in any unit. */
export type Corner = readonly [x: number, y: number];

/** Whether any two sides of the closed polygon cross or touch, other than neighbours at their common corner. */
export function crossesItself(corners: readonly Corner[]): boolean {
  const sides = corners.map((from, index) => [from, corners[(index + 1) % corners.length] ?? from] as const);
  return sides.some(([a, b], first) =>
    sides.some(([c, d], second) => {
      const apart = (second - first + sides.length) % sides.length;
      if (second <= first || apart === 1 || apart === sides.length - 1) return false;
      return turn(a, b, c) * turn(a, b, d) <= 0 && turn(c, d, a) * turn(c, d, b) <= 0;
    }),
  );
}

/** The smallest convex polygon around the corners, counter-clockwise where y points up. */
export function convexHull(corners: readonly Corner[]): Corner[] {
  const sorted = [...corners].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  return [...halfHull(sorted), ...halfHull(sorted.reverse())];
}

function halfHull(sorted: readonly Corner[]): Corner[] {
  const hull: Corner[] = [];
  for (const corner of sorted) {
    for (let last = hull.at(-1), before = hull.at(-2); last !== undefined && before !== undefined; ) {
      if (turn(before, last, corner) > 0) break;
      hull.pop();
      last = hull.at(-1);
      before = hull.at(-2);
    }
    hull.push(corner);
  }
  // The other half begins with it.
  hull.pop();
  return hull;
}

/** Above 0 when a → b → c turns left (y up), below 0 when right, 0 when straight on. */
function turn(a: Corner, b: Corner, c: Corner): number {
  return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
}
