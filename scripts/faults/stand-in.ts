import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** A stand-in for the Pi's camera that shows a face and nothing by turns, and writes down which. */
export interface StandInCamera {
  /** What the daemon's environment needs, to find it in the place of rpicam-vid. */
  readonly environment: NodeJS.ProcessEnv;
  /** A line a frame: milliseconds since 1970, and 1 where it showed the face. */
  record(): string;
  /** It is stopped (SIGSTOP) for so long. */
  stall(ms: number): Promise<void>;
  /** Ends what is left of it: one that was stopped when its daemon was killed knows nothing of it. */
  end(): Promise<void>;
}

export interface StandInOptions {
  /** For the picture and the record. */
  readonly folder: string;
  /** Pixels; the width a multiple of 128, as the Pi camera has them. */
  readonly width: number;
  readonly height: number;
  /** Milliseconds that it shows the face, out of so many. */
  readonly shown: number;
  readonly period: number;
  /** Frames a second; default: what the daemon asks for. */
  readonly rate?: number;
}

const HERE = join(import.meta.dirname, "camera");

export function standInCamera({ folder, width, height, shown, period, rate }: StandInOptions): StandInCamera {
  const photos = join(
    dirname(createRequire(import.meta.url).resolve("@vladmandic/face-api/package.json")),
    "demo",
  );
  const [face, truth] = [join(folder, "face.yuv"), join(folder, "truth")];
  execFileSync(process.execPath, [
    ...["--import", "tsx", join(HERE, "photo.ts"), join(photos, "sample3.jpg")],
    ...[face, String(width), String(height)],
  ]);
  writeFileSync(truth, "");

  function pid(): number | null {
    const found = spawnSync("pgrep", ["-f", `${join(HERE, "camera.mjs")}.*`], { encoding: "utf8" });
    const pids = found.stdout.trim().split("\n").filter(Boolean).map(Number);
    return pids.find((one) => environmentOf(one).includes(truth)) ?? null;
  }

  return {
    environment: {
      PATH: `${HERE}:${process.env.PATH}`,
      FAULTS_FACE: face,
      FAULTS_TRUTH: truth,
      FAULTS_SHOWN: String(shown),
      FAULTS_PERIOD: String(period),
      ...(rate === undefined ? {} : { FAULTS_RATE: String(rate) }),
    },
    record: () => readFileSync(truth, "utf8"),
    async stall(ms) {
      const stopped = pid();
      if (stopped === null) return;
      process.kill(stopped, "SIGSTOP");
      await sleep(ms);
      try {
        process.kill(stopped, "SIGCONT");
      } catch {
        // The supervisor has ended it meanwhile, as it should.
      }
    },
    async end() {
      for (let left = pid(); left !== null; left = pid()) {
        process.kill(left, "SIGKILL");
        await sleep(100);
      }
    },
  };
}

function environmentOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, "utf8");
  } catch {
    return "";
  }
}
