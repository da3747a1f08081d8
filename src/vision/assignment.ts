/** A cost that stands for "never pair these". */
export const FORBIDDEN = Number.POSITIVE_INFINITY;

/** Large enough that one forbidden pair outweighs any sum of allowed ones, small enough to stay exact. */
const PROHIBITIVE = 1e6;

/**
 * Pairs rows with columns so that as many as possible are paired and the sum of costs is the least (the
 * Hungarian method with potentials, O(n²m); Kuhn 1955, Munkres 1957).
 *
 * @param costs rows × columns; finite costs from 0 to 1000, or FORBIDDEN.
 * @returns for each row its column, or -1.
 */
export function assign(costs: readonly (readonly number[])[]): number[] {
  const rows = costs.length;
  const columns = costs[0]?.length ?? 0;
  if (rows === 0 || columns === 0) return new Array<number>(rows).fill(-1);
  if (rows > columns) return invert(assign(transpose(costs, columns)), rows);

  const cost = (row: number, column: number): number => {
    const value = costs[row]?.[column] ?? FORBIDDEN;
    return value === FORBIDDEN ? PROHIBITIVE : value;
  };
  // One-based, as in the classical formulation: index 0 is the unpaired sentinel.
  const rowPotential = new Float64Array(rows + 1);
  const columnPotential = new Float64Array(columns + 1);
  const rowOf = new Int32Array(columns + 1);
  const cameFrom = new Int32Array(columns + 1);
  for (let row = 1; row <= rows; row++) {
    rowOf[0] = row;
    let column = 0;
    const slack = new Float64Array(columns + 1).fill(Number.POSITIVE_INFINITY);
    const visited = new Uint8Array(columns + 1);
    do {
      visited[column] = 1;
      const current = rowOf[column] as number;
      let delta = Number.POSITIVE_INFINITY;
      let next = 0;
      for (let candidate = 1; candidate <= columns; candidate++) {
        if (visited[candidate]) continue;
        const reduced =
          cost(current - 1, candidate - 1) -
          (rowPotential[current] as number) -
          (columnPotential[candidate] as number);
        if (reduced < (slack[candidate] as number)) {
          slack[candidate] = reduced;
          cameFrom[candidate] = column;
        }
        if ((slack[candidate] as number) < delta) {
          delta = slack[candidate] as number;
          next = candidate;
        }
      }
      for (let other = 0; other <= columns; other++) {
        if (visited[other]) {
          const owner = rowOf[other] as number;
          rowPotential[owner] = (rowPotential[owner] as number) + delta;
          columnPotential[other] = (columnPotential[other] as number) - delta;
        } else {
          slack[other] = (slack[other] as number) - delta;
        }
      }
      column = next;
    } while (rowOf[column] !== 0);
    while (column !== 0) {
      const previous = cameFrom[column] as number;
      rowOf[column] = rowOf[previous] as number;
      column = previous;
    }
  }

  const columnOf = new Array<number>(rows).fill(-1);
  for (let column = 1; column <= columns; column++) {
    const row = (rowOf[column] as number) - 1;
    if (row >= 0 && (costs[row]?.[column - 1] ?? FORBIDDEN) !== FORBIDDEN) columnOf[row] = column - 1;
  }
  return columnOf;
}

function transpose(costs: readonly (readonly number[])[], columns: number): number[][] {
  return Array.from({ length: columns }, (_, column) => costs.map((row) => row[column] ?? FORBIDDEN));
}

function invert(rowOfColumn: readonly number[], rows: number): number[] {
  const columnOf = new Array<number>(rows).fill(-1);
  rowOfColumn.forEach((row, column) => {
    if (row >= 0) columnOf[row] = column;
  });
  return columnOf;
}
