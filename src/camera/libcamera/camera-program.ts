import { accessSync, constants } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { monotonicClock, settledWithin } from "../../base/clock.js";
import { CameraError } from "../camera.js";
import { NO_CAMERA_TOOL } from "./camera-fault.js";
import { findCameraTool } from "./camera-tool.js";
import { makeFifo, readFifo } from "./named-pipe.js";

const { vid } = createRequire(import.meta.url)("node-libcamera") as typeof import("node-libcamera");

/**
 * node-libcamera runs `libcamera-vid` by name through a shell and keeps no handle on it. This goes first in that
 * shell's PATH: it runs whichever tool there is, in a process group of its own that can be ended as a whole, and
 * leaves the pid. The tool's words go through a FIFO, for exec kills a program that says more than 1 MiB.
 */
const SHIM = `#!/bin/sh
if command -v setsid >/dev/null 2>&1; then set -- setsid "$EMOTIOND_CAMERA_TOOL" "$@"
else set -- "$EMOTIOND_CAMERA_TOOL" "$@"; fi
echo "$$" >"$EMOTIOND_CAMERA_FOLDER/pid" || exit 1
exec "$@" </dev/null >/dev/null 2>"$EMOTIOND_CAMERA_FOLDER/words"
`;

/** What a shell and rpicam-vid's printf-like output name take literally. */
const PLAIN_PATH = /^\/[A-Za-z0-9_./-]{1,180}$/;

const KEPT_WORDS = 4096;
const POLL = 20;

export interface CameraProgramOptions {
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  /** Frames a second. */
  readonly framerate: number;
  /** Folders for the FIFO and the shim, the first that allows programs to run is taken. */
  readonly folders?: readonly string[];
  /** Where the next bytes of the stream go, and how many came. */
  readonly space: () => Uint8Array;
  readonly filled: (bytes: number) => void;
}

/** One run of rpicam-vid or libcamera-vid. */
export interface CameraProgram {
  readonly tool: string;
  /** Resolves when the program is gone; never rejects. */
  readonly exited: Promise<void>;
  /** The end of what it said on standard error. */
  words(): string;
  /** Takes the last bytes out of the pipe once the program is gone. Bounded. */
  drain(): Promise<void>;
  /**
   * TERM, then KILL.
   *
   * @returns false when it lives on nevertheless: a process stuck in the kernel cannot be killed
   */
  stop(termWithin: number, killWithin: number): Promise<boolean>;
  /** Removes the FIFO and the rest; the program must have been stopped or given up. */
  dispose(): Promise<void>;
}

/**
 * Starts the Pi camera's program through node-libcamera.
 *
 * @throws CameraError when no program is installed, or no folder will do
 */
export async function startCameraProgram(options: CameraProgramOptions): Promise<CameraProgram> {
  for (const value of [options.width, options.height, options.framerate]) {
    // They end up in a shell's command line.
    if (!Number.isFinite(value) || value <= 0)
      throw new CameraError(`not a size or rate for a camera: ${value}`);
  }
  const tool = await findCameraTool();
  if (tool === null) throw new CameraError(NO_CAMERA_TOOL);

  const folder = await makeFolder(options.folders ?? []);
  const closing: (() => void)[] = [];
  const dispose = async () => {
    for (const close of closing.splice(0)) close();
    await rm(folder, { recursive: true, force: true });
  };

  try {
    const stream = join(folder, "stream");
    await makeFifo(stream);
    await makeFifo(join(folder, "words"));

    let received = 0;
    const reader = readFifo(stream, options.space, (bytes) => {
      received += bytes;
      options.filled(bytes);
      return true;
    });
    const words = listen(join(folder, "words"));
    closing.push(reader.close, words.close);

    const came = () => received + words.received();
    let gone = false;
    const exited = launch(tool, folder, stream, options).then((failure) => {
      gone = true;
      if (failure !== null) words.add(failure);
    });

    const kill = async (signal: NodeJS.Signals): Promise<void> => {
      const pid = await pidOf(folder);
      if (pid === null || gone) return;
      for (const target of [-pid, pid]) {
        try {
          process.kill(target, signal);
          return;
        } catch {
          // No such group (no setsid on this machine), or gone already.
        }
      }
    };

    return {
      tool,
      exited,
      words: words.text,
      drain: async () => {
        // 200 ms is ages for what is left of a 64 KiB pipe.
        for (let waited = 0, before = -1; before !== came() && waited < 200; waited += POLL) {
          before = came();
          await pause(POLL);
        }
      },
      stop: async (termWithin, killWithin) => {
        if (gone) return true;
        const started = monotonicClock.now();
        // Stopped before the shim came to its first line.
        while (!gone && (await pidOf(folder)) === null && monotonicClock.now() - started < termWithin) {
          await pause(POLL);
        }
        await kill("SIGTERM");
        if (await settledWithin(exited, termWithin)) return true;
        await kill("SIGKILL");
        return settledWithin(exited, killWithin);
      },
      dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/**
 * @returns what node-libcamera says about the program's end; null for a clean exit
 */
function launch(
  tool: string,
  folder: string,
  output: string,
  { width, height, framerate }: CameraProgramOptions,
): Promise<string | null> {
  const before = {
    PATH: process.env.PATH,
    EMOTIOND_CAMERA_TOOL: undefined,
    EMOTIOND_CAMERA_FOLDER: undefined,
  };
  // A name, not a literal in the call: node-libcamera's types do not know `framerate`.
  const asked = {
    codec: "yuv420" as const,
    output,
    timeout: 0,
    nopreview: true,
    flush: true,
    width,
    height,
    framerate,
    // Else a line a frame.
    verbose: 0,
  };
  process.env.PATH = `${folder}${delimiter}${process.env.PATH ?? ""}`;
  process.env.EMOTIOND_CAMERA_TOOL = tool;
  process.env.EMOTIOND_CAMERA_FOLDER = folder;
  try {
    // vid() reaches exec, which copies the environment, before it first yields: nobody else sees these values.
    return vid(asked).then(
      () => null,
      (error: unknown) => exitOf(error),
    );
  } finally {
    for (const [name, value] of Object.entries(before)) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}

/** `Command failed: <the whole command line>` tells a user nothing; the exit code does. */
function exitOf(error: unknown): string {
  if (error instanceof Error && "signal" in error && typeof error.signal === "string") {
    return `ended by ${error.signal}`;
  }
  if (error instanceof Error && "code" in error && error.code !== undefined) return `exit code ${error.code}`;
  return String(error);
}

/**
 * A folder of our own for the shim and the FIFOs. /run is mounted noexec on Debian, so a runtime directory
 * alone will not do: access() knows.
 */
async function makeFolder(candidates: readonly string[]): Promise<string> {
  const state = [process.env.STATE_DIRECTORY, process.env.CACHE_DIRECTORY].filter(
    (path) => path !== undefined,
  );
  const why: string[] = [];
  for (const parent of [...candidates, ...state, tmpdir()]) {
    if (!PLAIN_PATH.test(parent)) {
      why.push(`${parent}: characters other than letters, digits, _ . - /`);
      continue;
    }
    let folder: string | undefined;
    try {
      folder = await mkdtemp(join(parent, "camera-"));
      const shim = join(folder, "libcamera-vid");
      await writeFile(shim, SHIM, { mode: 0o700 });
      accessSync(shim, constants.X_OK);
      return folder;
    } catch (error) {
      if (folder !== undefined) await rm(folder, { recursive: true, force: true });
      why.push(`${parent}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new CameraError(
    `no folder for the camera's pipe, one that is writable and not mounted noexec; set TMPDIR to one (${why.join("; ")})`,
  );
}

async function pidOf(folder: string): Promise<number | null> {
  try {
    const pid = Number.parseInt(await readFile(join(folder, "pid"), "utf8"), 10);
    return pid > 1 ? pid : null;
  } catch {
    return null;
  }
}

/** Keeps the end of what the program says. A flood is read slowly, so that it costs the program, not us. */
function listen(path: string): {
  text(): string;
  received(): number;
  add(line: string): void;
  close(): void;
} {
  const buffer = Buffer.alloc(64 * 1024);
  let kept = "";
  let received = 0;
  let resting: NodeJS.Timeout | undefined;
  const add = (text: string) => {
    kept = (kept + text).slice(-KEPT_WORDS);
  };
  const reader = readFifo(
    path,
    () => buffer,
    (bytes) => {
      received += bytes;
      add(buffer.toString("utf8", 0, bytes));
      if (bytes < buffer.length) return true;
      resting = setTimeout(() => reader.resume(), 10);
      return false;
    },
  );
  return {
    text: () => kept,
    received: () => received,
    add: (line) => add(`${kept === "" || kept.endsWith("\n") ? "" : "\n"}${line}\n`),
    close: () => {
      clearTimeout(resting);
      reader.close();
    },
  };
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
