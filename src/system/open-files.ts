import { readFileSync } from "node:fs";

/** Node loads modules side by side; the daemon holds some 30 files, and HTTP 64 connections. */
const NEEDED = 128;

/** What to say when this process may open too few files; undefined when they are enough, or nobody knows. */
export function tooFewOpenFiles(): string | undefined {
  const limit = openFileLimit();
  return limit === undefined || limit >= NEEDED ? undefined : explain(limit);
}

/** What to say of an error that this process, or the system, has too many files open; undefined for any other. */
export function explainOpenFiles(error: unknown): string | undefined {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "ENFILE")
    return "this machine has as many files open as it may: raise fs.file-max with sysctl";
  return code === "EMFILE" ? explain(openFileLimit()) : undefined;
}

function explain(limit: number | undefined): string {
  return `this process may open only ${limit ?? "so many"} files at once, and needs ${NEEDED} or more: raise the limit (\`ulimit -n 1024\`; in a unit LimitNOFILE=1024)`;
}

function openFileLimit(): number | undefined {
  try {
    const soft = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];
    return soft === undefined ? undefined : Number(soft);
  } catch {
    return undefined;
  }
}
