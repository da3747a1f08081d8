import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { assign, FORBIDDEN } from "../../src/vision/assignment.js";

/** Every way to pair rows with columns: what `assign` must not lose to. */
function bestByTrying(costs: readonly (readonly number[])[]): { pairs: number; cost: number } {
  const columns = costs[0]?.length ?? 0;
  function search(row: number, taken: number): { pairs: number; cost: number } {
    if (row === costs.length) return { pairs: 0, cost: 0 };
    let most = search(row + 1, taken);
    for (let column = 0; column < columns; column++) {
      const cost = costs[row]?.[column] ?? FORBIDDEN;
      if (cost === FORBIDDEN || taken & (1 << column)) continue;
      const rest = search(row + 1, taken | (1 << column));
      const candidate = { pairs: rest.pairs + 1, cost: rest.cost + cost };
      if (candidate.pairs > most.pairs || (candidate.pairs === most.pairs && candidate.cost < most.cost))
        most = candidate;
    }
    return most;
  }
  return search(0, 0);
}

describe("assign", () => {
  it("gives up the nearest pair where that makes the whole cheaper", () => {
    expect(
      assign([
        [1, 2],
        [1, 10],
      ]),
    ).toEqual([1, 0]);
  });

  it("leaves alone what must not be paired", () => {
    expect(assign([[FORBIDDEN], [3]])).toEqual([-1, 0]);
    expect(assign([[], []])).toEqual([-1, -1]);
    expect(assign([])).toEqual([]);
  });

  it("is as good as trying everything", () => {
    const cost = fc.oneof({ weight: 3, arbitrary: fc.integer({ min: 0, max: 50 }) }, fc.constant(FORBIDDEN));
    const matrix = fc
      .tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 5 }))
      .chain(([rows, columns]) =>
        fc.array(fc.array(cost, { minLength: columns, maxLength: columns }), {
          minLength: rows,
          maxLength: rows,
        }),
      );
    fc.assert(
      fc.property(matrix, (costs) => {
        const pairing = assign(costs);
        const used = pairing.filter((column) => column >= 0);
        expect(new Set(used).size).toBe(used.length);
        const total = pairing.reduce(
          (sum, column, row) => sum + (column < 0 ? 0 : (costs[row]?.[column] ?? 0)),
          0,
        );
        expect({ pairs: used.length, cost: total }).toEqual(bestByTrying(costs));
      }),
      { numRuns: 1000 },
    );
  });
});
