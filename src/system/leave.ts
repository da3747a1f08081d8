import { spawn } from "node:child_process";

/** Seconds that an exit may take; one that takes longer waits for a call that does not return. */
const EXIT_WITHIN = 0.4;

/**
 * Ends this process, also while a call into a driver does not return. `process.exit` alone would wait for it: it
 * joins the threads of libuv's pool, and so does `process.reallyExit`. What is to be written must be written before.
 *
 * From Node 22.15 on a shell that does nothing but end takes the process over, and its threads are gone. Before, the
 * exit is tried, and a process that is still there after a moment gets a signal: after a success SIGTERM, which
 * systemd counts as clean like the code 0.
 */
export function leave(code: number): void {
  const { execve } = process as {
    execve?: (file: string, args: readonly string[], env: NodeJS.ProcessEnv) => void;
  };
  if (execve !== undefined) execve("/bin/sh", ["sh", "-c", `exit ${code}`], {});
  // Its own end of the pipe closes with this process: then there is nobody to end, and nobody else by that number.
  const signal = code === 0 ? "TERM" : "KILL";
  const waiter = spawn("sh", ["-c", `timeout ${EXIT_WITHIN} cat || kill -${signal} "$PPID"`], {
    stdio: ["pipe", "ignore", "ignore"],
  });
  waiter.on("error", () => undefined);
  for (const name of ["SIGTERM", "SIGINT"] as const) process.removeAllListeners(name);
  process.exit(code);
}
