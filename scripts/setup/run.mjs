import { spawn } from "node:child_process";

/**
 * Runs a program to its end and keeps what it printed.
 *
 * @param {string} program
 * @param {string[]} args
 * @param {{cwd?: string, env?: NodeJS.ProcessEnv, stdin?: "ignore" | "inherit", onLine?: (line: string) => void}} options
 * @returns {Promise<{code: number | null, output: string}>} a program that cannot be started has the code 127
 */
export function run(program, args, { onLine = () => {}, stdin = "ignore", ...options } = {}) {
  return new Promise((resolve) => {
    const child = spawn(program, args, { ...options, stdio: [stdin, "pipe", "pipe"] });
    let output = "";
    let rest = "";
    const hear = (chunk) => {
      output += chunk;
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      lines.forEach(onLine);
    };
    child.stdout.setEncoding("utf8").on("data", hear);
    child.stderr.setEncoding("utf8").on("data", hear);
    child.on("error", (error) => resolve({ code: 127, output: `${output}${error.message}` }));
    child.on("close", (code) => resolve({ code, output }));
  });
}

/** The last lines of a program's output, indented: enough to see why it failed. */
export function tail(output, lines = 12) {
  return output
    .trimEnd()
    .split("\n")
    .slice(-lines)
    .map((line) => `    ${line}`)
    .join("\n");
}
