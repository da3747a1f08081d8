/** A piece of work that is done again and again, never twice at a time. */
export interface OneAtATime {
  /** Does it in `delay` milliseconds, or sooner if that is planned. What falls due while it is done is left out. */
  plan(delay: number): void;
  busy(): boolean;
  /** Plans nothing any more. Resolves when what is being done is done, or at `deadline` (of `now`). */
  stop(deadline: number): Promise<void>;
}

/** Milliseconds between two looks whether the work is done. */
const LOOK = 10;

/**
 * `work` never rejects, and resolves with the milliseconds until it is to be done again, or null. Its timer does not
 * keep the process alive.
 */
export function oneAtATime(work: () => Promise<number | null>, now: () => number): OneAtATime {
  let timer: NodeJS.Timeout | undefined;
  let timerAt = 0;
  let busy = false;
  let stopped = false;

  async function run(): Promise<void> {
    if (busy) return;
    busy = true;
    const again = await work();
    busy = false;
    if (again !== null) plan(again);
  }

  function plan(delay: number): void {
    if (stopped || (timer !== undefined && timerAt <= now() + delay)) return;
    clearTimeout(timer);
    timerAt = now() + delay;
    timer = setTimeout(() => {
      timer = undefined;
      void run();
    }, delay);
    timer.unref();
  }

  return {
    plan,
    busy: () => busy,
    async stop(deadline) {
      stopped = true;
      clearTimeout(timer);
      while (busy && now() < deadline) await new Promise((resolve) => setTimeout(resolve, LOOK));
    },
  };
}
