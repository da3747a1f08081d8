/** Lets one wait until something holds that changes in steps. */
export interface Changes {
  /** Something may have changed. */
  notify(): void;
  /** Resolves when `done` holds, or at `deadline` (of performance.now()). One at a time. */
  until(done: () => boolean, deadline: number): Promise<void>;
}

export function changes(): Changes {
  let look = () => {};
  return {
    notify: () => look(),
    until: (done, deadline) =>
      new Promise((resolve) => {
        const finish = () => {
          clearTimeout(timer);
          look = () => {};
          resolve();
        };
        const timer = setTimeout(finish, Math.max(0, deadline - performance.now()));
        look = () => {
          if (done()) finish();
        };
        look();
      }),
  };
}
