#!/usr/bin/env node
import module from "node:module";
import { join } from "node:path";
import { parseArgs } from "node:util";

// The first instructions: what follows takes a second to load on a slow device. One after another, for imports side by
// side open their files side by side, and there may be too few to say so.
await import("./base/no-inspector.js");
const { holdSignals } = await import("./system/signals.js");
const called = commandOf(process.argv.slice(2));
if (called === "run") holdSignals(["SIGTERM", "SIGINT", "SIGHUP"]);
const { guardStandardOutput, outputFailed } = await import("./system/standard-output.js");
guardStandardOutput();
const { explainOpenFiles, tooFewOpenFiles } = await import("./system/open-files.js");
const tooFew = called === undefined ? undefined : tooFewOpenFiles();
if (tooFew !== undefined) {
  process.stderr.write(`emotiond: ${tooFew}\n`);
  process.exit(1);
}

const { EXIT_CONFIG, EXIT_USAGE, ExpectedError } = await import("./base/errors.js");
const { withoutSecrets } = await import("./base/secrets.js");
const { leave } = await import("./system/leave.js");
const { keepNurserySmall } = await import("./system/nursery.js");
const { VERSION } = await import("./base/version.js");

const USAGE = `emotiond ${VERSION}: camera frames in, emotion events out

  emotiond run --config FILE        the daemon, in the foreground
  emotiond check --config FILE      validate a configuration
  emotiond doctor [--config FILE]   look over camera, model, display and broker
  emotiond schema config|event      print a JSON Schema
  emotiond classify IMAGE…          faces and emotions of pictures, a JSON line each
  emotiond demo                     a camera or sample photos, and a broker of its own
  emotiond --version | --help
`;

class UsageError extends ExpectedError {
  override readonly name = "UsageError";
  override readonly exitCode = EXIT_USAGE;
}

/** The first argument that is neither an option nor the value of one; known before anything else is loaded. */
function commandOf(args: readonly string[]): string | undefined {
  return args.find((word, index) => !word.startsWith("-") && !/^(-c|--config)$/.test(args[index - 1] ?? ""));
}

/** Each command returns its exit code. Loaded on demand: `check` needs no OpenCV. */
async function dispatch(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(args);
  const [command, ...operands] = positionals;
  if (values.version === true) return print(VERSION);
  if (values.help === true || command === "help") return print(USAGE.trimEnd());
  switch (command) {
    case "run":
      noOperands(operands);
      return (await import("./commands/run.js")).run(needConfig(values.config));
    case "check":
      noOperands(operands);
      return (await import("./commands/check.js")).check(needConfig(values.config));
    case "doctor":
      noOperands(operands);
      return (await import("./commands/doctor.js")).doctor(values.config);
    case "schema":
      return (await import("./commands/schema.js")).schema(operands);
    case "classify":
      if (operands.length === 0) throw new UsageError("classify needs at least one picture");
      return (await import("./commands/classify.js")).classify(operands);
    case "demo":
      noOperands(operands);
      return (await import("./commands/demo.js")).demo();
    case undefined:
      throw new UsageError("which command?");
    default:
      throw new UsageError(`there is no command ${command}`);
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        config: { type: "string", short: "c" },
        version: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function needConfig(file: string | undefined): string {
  if (file === undefined) throw new UsageError("name the configuration: --config FILE");
  return file;
}

function noOperands(operands: readonly string[]): void {
  if (operands.length > 0) throw new UsageError(`what is ${operands.join(" ")} for?`);
}

function print(text: string): number {
  process.stdout.write(`${text}\n`);
  return 0;
}

/** Says what ended the command, and returns its exit code. */
function report(error: unknown): number {
  const files = explainOpenFiles(error);
  if (files !== undefined) {
    process.stderr.write(`emotiond: ${files}\n`);
    return 1;
  }
  if (!(error instanceof ExpectedError)) {
    process.stderr.write(`${withoutSecrets((error as Error | undefined)?.stack ?? String(error))}\n`);
    return 1;
  }
  // A configuration's problems are lines of their own, each begins with its key.
  const text = error.exitCode === EXIT_CONFIG ? error.message : `emotiond: ${error.message}`;
  process.stderr.write(`${withoutSecrets(text)}\n${error.exitCode === EXIT_USAGE ? `\n${USAGE}` : ""}`);
  return error.exitCode;
}

keepNurserySmall();

// Node 22 and later keep what they have compiled: a start reads it instead of compiling it again. Only in a folder that
// is the daemon's own: systemd's $CACHE_DIRECTORY.
const { enableCompileCache, flushCompileCache } = module as {
  enableCompileCache?: (folder: string) => unknown;
  flushCompileCache?: () => void;
};
const cacheFolder = process.env.CACHE_DIRECTORY?.split(":")[0];
if (cacheFolder !== undefined) enableCompileCache?.(join(cacheFolder, "compiled"));

/** A call into a driver that never returns must not keep a finished command alive for longer, in milliseconds. */
const LINGER = 300;

let code: number;
try {
  code = await dispatch(process.argv.slice(2));
} catch (error) {
  code = report(error);
}
if ((await outputFailed()) && code === 0) code = 1;
process.exitCode = code;
setTimeout(() => {
  flushCompileCache?.();
  leave(code);
}, LINGER).unref();
