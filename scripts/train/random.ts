/** Random numbers whose whole state can be stored in a checkpoint and taken up again. */
export interface Random {
  /** Uniform in [0, 1). */
  uniform(): number;
  /** Uniform in [low, high). */
  between(low: number, high: number): number;
  /** Standard normal. */
  normal(): number;
  /** Whole number in [0, end). */
  below(end: number): number;
  /** In place, Fisher and Yates. */
  shuffle(values: Int32Array): void;
  state(): number;
}

/** mulberry32 (Tommy Ettinger, public domain): 32 bits of state, which is enough to shuffle and shift pictures. */
export function createRandom(seed: number): Random {
  let state = seed | 0;
  const uniform = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const below = (end: number) => Math.floor(uniform() * end);
  return {
    uniform,
    below,
    between: (low, high) => low + (high - low) * uniform(),
    normal: () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
    shuffle(values) {
      for (let i = values.length - 1; i > 0; i--) {
        const j = below(i + 1);
        const kept = values[i] as number;
        values[i] = values[j] as number;
        values[j] = kept;
      }
    },
    state: () => state,
  };
}
