/** A line that shows how far an epoch is; on a terminal it is rewritten in place, else written now and then. */
export interface ProgressBar {
  /** `done` is the share of the run that is over, 0 to 1. */
  update(epoch: number, batch: number, batches: number, loss: number, done: number): void;
  /** Ends the line, so that the next output starts on one of its own. */
  clear(): void;
}

const WIDTH = 24;
/** Between lines where nobody looks on, in milliseconds. */
const QUIET_INTERVAL = 60_000;

export function progressBar(stream: NodeJS.WriteStream = process.stderr): ProgressBar {
  let started: { at: number; batch: number; done: number } | undefined;
  let written = 0;
  return {
    update(epoch, batch, batches, loss, done) {
      const now = performance.now();
      const count = epoch * batches + batch;
      started ??= { at: now, batch: count, done };
      if (now - written < (stream.isTTY ? 200 : QUIET_INTERVAL)) return;
      written = now;
      const perBatch = (now - started.at) / Math.max(1, count - started.batch);
      const left = ((1 - done) * (now - started.at)) / Math.max(1e-9, done - started.done);
      const filled = Math.round((batch / batches) * WIDTH);
      const line =
        `epoch ${epoch + 1} ${"█".repeat(filled)}${"░".repeat(WIDTH - filled)} ` +
        `loss ${loss.toFixed(4)}  ${perBatch.toFixed(0)} ms a batch  ` +
        `epoch in ${duration((batches - batch) * perBatch)}, end in ${duration(left)}`;
      stream.write(stream.isTTY ? `\r\x1b[K${line}` : `${line}\n`);
    },
    clear() {
      if (stream.isTTY) stream.write("\r\x1b[K");
    },
  };
}

/** Milliseconds as 1h02m, 3m20s or 45s. */
export function duration(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  const two = (value: number) => String(value).padStart(2, "0");
  if (seconds >= 3600) return `${Math.floor(seconds / 3600)}h${two(Math.floor((seconds % 3600) / 60))}m`;
  if (seconds >= 60) return `${Math.floor(seconds / 60)}m${two(seconds % 60)}s`;
  return `${seconds}s`;
}
