/** Work in two stages, of which the first takes the next item while the second is still at the last. */
export interface TwoStages<Item, Half> {
  /** The next item, with its ownership; null at the end. */
  readonly take: () => Promise<Item | null>;
  /** One item at a time. */
  readonly first: (item: Item) => Promise<Half>;
  /** One item at a time, in the order in which they were taken. */
  readonly second: (item: Item, half: Half) => Promise<void>;
  /** Lets go of an item: once for each that was taken. */
  readonly release: (item: Item) => void;
}

export interface RunningStages {
  /** Resolves at the end, when nothing is under way any more; rejects with the first error, likewise. */
  readonly finished: Promise<void>;
  /** Resolves when what is under way now has been through both stages. Never rejects. */
  settled(): Promise<void>;
}

/**
 * Runs until `take` gives null or a stage fails. At most two items are held: a third is not taken before the first is
 * done with, so that it is as new as can be.
 */
export function runTwoStages<Item, Half>(stages: TwoStages<Item, Half>): RunningStages {
  const underWay = new Set<Promise<void>>();

  async function run(): Promise<void> {
    let before: Promise<void> = Promise.resolve();
    try {
      for (;;) {
        const item = await stages.take();
        if (item === null) break;
        const half = stages.first(item);
        const whole = finish(item, half, before);
        underWay.add(whole);
        const over = () => underWay.delete(whole);
        whole.then(over, over);
        await Promise.all([half, before]);
        before = whole;
      }
      await before;
    } finally {
      await Promise.allSettled(underWay);
    }
  }

  async function finish(item: Item, half: Promise<Half>, before: Promise<void>): Promise<void> {
    try {
      const [found] = await Promise.all([half, before]);
      await stages.second(item, found);
    } finally {
      // Where the one before failed, the first stage may still be at work on this one.
      await Promise.allSettled([half]);
      stages.release(item);
    }
  }

  return {
    finished: run(),
    async settled() {
      await Promise.allSettled(underWay);
    },
  };
}
