import { execFile, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { cv, type Mat } from "../../src/base/opencv.js";

const run = promisify(execFile);

/** A real X server without a monitor. */
export interface XServer {
  readonly display: string;
  /** What is on its screen; the caller releases it. */
  screenshot(path?: string): Promise<Mat>;
  stop(): Promise<void>;
}

/** Starts Xvfb on a display number of its own choice. */
export async function startXServer(width: number, height: number): Promise<XServer> {
  const child = spawn(
    "Xvfb",
    ["-displayfd", "3", "-screen", "0", `${width}x${height}x24`, "-nolisten", "tcp"],
    {
      stdio: ["ignore", "ignore", "ignore", "pipe"],
    },
  );
  const exited = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const number = await new Promise<string>((resolve, reject) => {
    let text = "";
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`Xvfb ended with ${code}`)));
    child.stdio[3]?.on("data", (data: Buffer) => {
      text += data.toString();
      if (text.endsWith("\n")) resolve(text.trim());
    });
  });
  const folder = mkdtempSync(join(tmpdir(), "xserver-"));
  const display = `:${number}`;
  return {
    display,
    screenshot: async (path = join(folder, "screen.png")) => {
      await run("import", ["-display", display, "-window", "root", path]);
      return cv.imreadAsync(path);
    },
    stop: async () => {
      child.kill("SIGKILL");
      await exited;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
