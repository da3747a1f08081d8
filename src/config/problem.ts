import type { z } from "zod";
import { EXIT_CONFIG, ExpectedError } from "../base/errors.js";
import { mayBeSecret, withoutSecrets } from "../base/secrets.js";

/** One thing wrong with a configuration: where, and what would be right. */
export interface ConfigProblem {
  /** Path of the key with dots, such as `mqtt.url`; the file's name where the file itself is at fault. */
  readonly path: string;
  readonly message: string;
}

/** A configuration that cannot be used; its message has a line a problem. */
export class ConfigError extends ExpectedError {
  override readonly name = "ConfigError";
  override readonly exitCode = EXIT_CONFIG;

  readonly problems: readonly ConfigProblem[];

  /** What may be secret in the problems is left out. */
  constructor(problems: readonly ConfigProblem[]) {
    const shown = problems.map(({ path, message }) => ({
      path: withoutSecrets(path),
      message: withoutSecrets(message),
    }));
    super(shown.map(formatProblem).join("\n"));
    this.problems = shown;
  }
}

export function formatProblem(problem: ConfigProblem): string {
  return `${problem.path}: ${problem.message}`;
}

/** Zod's issues as problems, a line each: `mqtt.url: must be …`. */
export function problemsOf(error: z.ZodError): ConfigProblem[] {
  return error.issues.flatMap((issue) => {
    const path = issue.path.map(String).join(".");
    if (issue.code === "unrecognized_keys") {
      return issue.keys.map((key) => ({
        path: path === "" ? key : `${path}.${key}`,
        message: "unknown key; remove it, or see `emotiond schema config` for the keys there are",
      }));
    }
    return [{ path: path === "" ? "(configuration)" : path, message: messageOf(issue) }];
  });
}

/** What would be right, rather than what was wrong. */
function messageOf(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "invalid_type":
      return `must be ${TYPE_NAMES[issue.expected] ?? issue.expected}${found(issue.input)}`;
    case "invalid_value":
      return `must be one of ${issue.values.join(", ")}${found(issue.input)}`;
    case "too_small":
      return `must ${measure(issue.origin)} at least ${issue.minimum}${found(issue.input)}`;
    case "too_big":
      return `must ${measure(issue.origin)} at most ${issue.maximum}${found(issue.input)}`;
    default:
      return `${issue.message}${found(issue.input)}`;
  }
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  int: "a whole number",
  number: "a number",
  string: "text",
  boolean: "true or false",
  array: "a list",
  tuple: "a pair [x, y]",
  object: "a section with keys",
};

function measure(origin: string): string {
  if (origin === "string") return "have a length of";
  if (origin === "array" || origin === "tuple") return "have a number of entries of";
  return "be";
}

function found(input: unknown): string {
  if (input === undefined) return "";
  // What a password may be in must not reach a log: an address, however mistyped, and whole sections.
  if (Array.isArray(input)) return ", not a list";
  if (typeof input === "object" && input !== null) return ", not a section";
  if (typeof input === "string" && mayBeSecret(input)) return ", not what it is (it may hold a password)";
  const text = JSON.stringify(input) ?? String(input);
  return `, not ${text.length > 60 ? `${text.slice(0, 60)}…` : text}`;
}
