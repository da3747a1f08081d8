let reader: "there" | "gone" = "there";
let failed = false;

/**
 * Outlives what may happen to stdout and stderr: a reader that has seen enough (`| head -1`), and a full disk. Without
 * it either ends the process with a stack.
 */
export function guardStandardOutput(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    // What was written before comes back with errors of its own.
    if (reader === "gone" || failed) return;
    if (error.code === "EPIPE") reader = "gone";
    else {
      failed = true;
      process.stderr.write(`emotiond: the result cannot be written: ${error.message}\n`);
    }
  });
  // There is nowhere left to tell it.
  process.stderr.on("error", () => undefined);
}

/** True when nobody gets what is written to stdout. */
export function outputIsLost(): boolean {
  return reader === "gone" || failed;
}

/** Whether everything could be written to stdout, once all is written; that a reader had enough is no failure. */
export async function outputFailed(): Promise<boolean> {
  await new Promise((resolve) => setImmediate(resolve));
  return failed;
}
