const REDRAW_MS = 250;
const REPEAT_MS = 15_000;

/**
 * Shows what goes on, and for how long already: one line that is redrawn on a terminal, and elsewhere a line when a
 * step begins, four times a minute while it lasts, and when it ends.
 */
export function createProgress(stream = process.stderr) {
  const steps = new Map();
  const terminal = stream.isTTY === true;
  let timer;

  const seconds = (step) => Math.round((performance.now() - step.start) / 1000);
  const text = (name, step) => `${name}${step.detail ? `: ${step.detail}` : ""}, ${seconds(step)} s`;

  function draw() {
    if (terminal) {
      const line = [...steps].map(([name, step]) => text(name, step)).join(" · ");
      stream.write(`\r\x1b[K${line.slice(0, (stream.columns ?? 80) - 1)}`);
      return;
    }
    for (const [name, step] of steps) {
      if (performance.now() - step.shown < REPEAT_MS) continue;
      step.shown = performance.now();
      stream.write(`${text(name, step)}\n`);
    }
  }

  return {
    /** Runs `work` under a name; it may report how far it is. */
    async step(name, work) {
      const step = { start: performance.now(), shown: performance.now(), detail: "" };
      if (!terminal) stream.write(`${name} …\n`);
      steps.set(name, step);
      timer ??= setInterval(draw, REDRAW_MS);
      try {
        const result = await work((detail) => {
          step.detail = detail;
        });
        steps.delete(name);
        stream.write(`${terminal ? "\r\x1b[K" : ""}${name}: done in ${seconds(step)} s\n`);
        return result;
      } finally {
        steps.delete(name);
        if (steps.size === 0) {
          clearInterval(timer);
          timer = undefined;
          if (terminal) stream.write("\r\x1b[K");
        }
      }
    },
  };
}
