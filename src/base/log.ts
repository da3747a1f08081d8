import { fstatSync } from "node:fs";
import { createRequire } from "node:module";
import { type DestinationStream, type Level, type LogFn, type Logger, pino, stdTimeFunctions } from "pino";
import { type Clock, createCollapser, systemClock } from "./collapse.js";
import { lineWriter } from "./line-writer.js";
import { valueWithoutSecrets } from "./secrets.js";

export type { Level, Logger } from "pino";

const STDERR = 2;

/** syslog's priorities, which journald reads from a `<n>` at the start of a line. */
const PRIORITY: Readonly<Record<number, number>> = { 10: 7, 20: 7, 30: 6, 40: 4, 50: 3, 60: 2 };

/**
 * The log: JSON lines on stderr, so that a command's stdout is its result alone; readable lines when stderr is a
 * terminal. Equal messages are collapsed into one a second, with the number they stand for as `times`: what varies
 * belongs in the object, not in the text.
 */
export function createLogger(
  level: Level,
  stream: DestinationStream = openStderr(),
  clock: Clock = systemClock,
): Logger {
  const collapser = createCollapser({ clock });
  const logger = pino(
    {
      level,
      // The journal knows the process and the host already.
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      hooks: {
        logMethod(args, method, levelNumber) {
          const write = (times: number) => {
            // The last line of defence: whoever logs may have been told a secret by a library.
            const shown = args.map((part) => valueWithoutSecrets(part)) as LogArguments;
            method.apply(this, times === 1 ? shown : withTimes(shown, times));
          };
          collapser.offer(messageKey(this, args, levelNumber), write, String(levelNumber));
        },
      },
    },
    stream,
  );
  // Whoever ends the process calls flush(): what is held back still counts.
  const flushStream = logger.flush.bind(logger);
  logger.flush = (done) => {
    collapser.flush();
    flushStream(done);
  };
  return logger;
}

type LogArguments = Parameters<LogFn>;

/**
 * Two calls are the same message when level, logger, text and the words in their object agree. Numbers may differ:
 * they are what a repeated message counts. What a stranger chose belongs in an object within the object, which is not
 * looked at: else who sends a thousand different texts gets a thousand lines.
 */
function messageKey(logger: Logger, args: LogArguments, level: number): string {
  const [first, text] = args as [unknown, unknown];
  const words = [String(level), JSON.stringify(logger.bindings())];
  if (typeof first === "string") words.push(first);
  else if (first instanceof Error) words.push(first.message);
  else if (typeof first === "object" && first !== null) {
    for (const [name, value] of Object.entries(first)) {
      if (typeof value === "string") words.push(`${name}=${value}`);
      else if (value instanceof Error) words.push(`${name}=${value.message}`);
    }
  }
  if (typeof text === "string") words.push(text);
  return words.join("\n").slice(0, 1000);
}

function withTimes(args: LogArguments, times: number): LogArguments {
  const [first, ...rest] = args as [unknown, ...unknown[]];
  if (typeof first === "string") return [{ times }, first, ...rest] as LogArguments;
  if (first instanceof Error)
    return [{ err: first, times }, ...(rest.length > 0 ? rest : [first.message])] as LogArguments;
  return [{ ...(first as object), times }, ...rest] as LogArguments;
}

function openStderr(): DestinationStream {
  if (process.stderr.isTTY) {
    // In this process, not in pino's worker thread: the daemon's memory is counted on a Pi. Loaded only here, so
    // that the service never pays for it.
    const { prettyFactory } = createRequire(import.meta.url)("pino-pretty") as typeof import("pino-pretty");
    const readable = prettyFactory({
      translateTime: "SYS:HH:MM:ss.l",
      ignore: "pid,hostname",
    });
    const terminal = lineWriter(STDERR);
    return { write: (line) => terminal.write(readable(line)) };
  }
  const stderr = lineWriter(STDERR);
  return isJournal(process.env.JOURNAL_STREAM) ? withPriority(stderr) : stderr;
}

/** systemd names the journal's socket as `device:inode`; stderr may have been sent elsewhere since. */
function isJournal(journalStream: string | undefined): boolean {
  if (journalStream === undefined) return false;
  const { dev, ino } = fstatSync(STDERR);
  return journalStream === `${dev}:${ino}`;
}

/** Puts syslog's `<n>` before each line, so that `journalctl -p warning` works. */
export function withPriority(stream: DestinationStream): DestinationStream {
  return {
    // With this mark pino sets `lastLevel` before each write.
    [Symbol.for("pino.metadata")]: true,
    lastLevel: 30,
    write(line: string) {
      stream.write(`<${PRIORITY[this.lastLevel] ?? 6}>${line}`);
    },
  } as DestinationStream & { lastLevel: number };
}
