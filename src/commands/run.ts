import { createLogger, type Logger } from "../base/log.js";
import { environmentWarnings } from "../config/environment.js";
import { loadForRun } from "../config/files.js";
import { ConfigError } from "../config/problem.js";
import { type Daemon, startDaemon } from "../daemon/daemon.js";
import { leave } from "../system/leave.js";
import { obeySignal } from "../system/signals.js";

/**
 * A stop that takes longer than this is ended by force: some call into a driver does not return. What `leave` needs
 * fits into the five seconds that a stop may take.
 */
const STOP_DEADLINE = 4_300;

/** The daemon in the foreground, until its source ends or it is told to stop. */
export async function run(file: string): Promise<number> {
  // Whatever is written, by LevelDB and the display's program as well, is for the daemon's user alone.
  process.umask(0o077);
  let logger: Logger | undefined;
  const stopping = new AbortController();
  for (const name of ["SIGTERM", "SIGINT"] as const) {
    obeySignal(name, () => {
      if (stopping.signal.aborted) return;
      logger?.info({ signal: name }, "stopping");
      stopping.abort();
      setTimeout(() => giveUp(logger), STOP_DEADLINE).unref();
    });
  }
  const config = await loadForRun(file);
  logger = createLogger(config.log.level);
  if (stopping.signal.aborted) return 0;
  for (const warning of environmentWarnings(process.env)) logger.warn(warning);
  const daemon = await startDaemon({ config, logger, signal: stopping.signal, environment: process.env });
  let reloaded = Promise.resolve();
  obeySignal("SIGHUP", () => {
    // One after another: each lets go of what the one before has loaded.
    reloaded = reloaded.then(() => reload(daemon, file, logger));
  });
  await daemon.finished;
  logger.flush();
  return 0;
}

function giveUp(logger: Logger | undefined): void {
  logger?.error("the stop took too long; leaving what hangs behind");
  logger?.flush();
  leave(0);
}

async function reload(daemon: Daemon, file: string, logger: Logger): Promise<void> {
  logger.info({ file }, "reloading");
  try {
    await daemon.reload(await loadForRun(file));
  } catch (error) {
    const problems = error instanceof ConfigError ? error.problems : undefined;
    logger.error(
      { problems, reason: (error as Error).message },
      "reload refused; the old configuration goes on",
    );
  }
}
