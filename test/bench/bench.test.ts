import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, describe, expect, it } from "vitest";
import { cv } from "../../src/base/opencv.js";

interface ChildUsage {
  sample(): void;
  cpuMs(): number;
  readerMs(): number;
  peakRssMiB(): number;
}

const ROOT = join(import.meta.dirname, "..", "..");
const BENCH = join(ROOT, "scripts", "bench");
const { watchChildren } = (await import(join(BENCH, "child-usage.mjs"))) as {
  watchChildren: () => ChildUsage;
};

const folder = mkdtempSync(join(tmpdir(), "emotiond-bench-test-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Uses that much CPU time and memory, says so, and waits for its end. */
async function spender(cpuMs: number, mebibytes: number, name: string): Promise<ChildProcess> {
  const program = `
    const kept = Buffer.alloc(${mebibytes} * 1024 * 1024, 1);
    const used = () => { const { user, system } = process.cpuUsage(); return (user + system) / 1000; };
    while (used() < ${cpuMs});
    console.log("spent", kept.length);
    process.stdin.resume();
    process.stdin.on("end", () => process.exit());`;
  const child = spawn(process.execPath, ["-e", program, name], { stdio: ["pipe", "pipe", "inherit"] });
  await once(child.stdout, "data");
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  const exit = once(child, "exit");
  child.stdin?.end();
  await exit;
}

describe("what a process' children use up", () => {
  it("is the CPU time of each, before and after its end, and their peaks of memory together", async () => {
    const children = watchChildren();
    const before = { all: children.cpuMs(), reader: children.readerMs() };
    const reader = await spender(400, 100, "/dist/camera/video/capture-program.js");
    const player = await spender(200, 50, "player");
    const expectAll = () => {
      children.sample();
      // Each figure in /proc is a hundredth of a second too small at most.
      expect(children.readerMs() - before.reader).toBeGreaterThanOrEqual(380);
      expect(children.cpuMs() - before.all).toBeGreaterThanOrEqual(560);
      const others = children.cpuMs() - before.all - (children.readerMs() - before.reader);
      expect(others).toBeGreaterThanOrEqual(180);
      expect(children.peakRssMiB()).toBeGreaterThan(150);
    };
    expectAll();
    await end(reader);
    expectAll();
    await end(player);
    expectAll();
  });
});

/** A film of a sample photo, as MJPEG. */
function writeFilm(file: string, width: number, height: number): void {
  const photos = dirname(createRequire(import.meta.url).resolve("@vladmandic/face-api"));
  const photo = cv.imread(join(photos, "..", "demo", "sample1.jpg"));
  const picture = photo.resize(height, width);
  const code = cv.VideoWriter.fourcc("MJPG");
  const writer = new cv.VideoWriter(file, code, 10, new cv.Size(width, height), true);
  for (let frame = 0; frame < FRAMES; frame++) writer.write(picture);
  writer.release();
  for (const mat of [photo, picture]) mat.release();
}

const FRAMES = 30;

async function bench(width: number, height: number) {
  const video = join(folder, `${width}.avi`);
  writeFilm(video, width, height);
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--import", "tsx", join(BENCH, "bench.ts"), "--video", video, "--json"],
    { cwd: ROOT },
  );
  return JSON.parse(stdout) as Record<string, number> & { readonly stages: Record<string, number> };
}

describe("npm run bench", () => {
  it("counts what the process that reads the video uses up", async () => {
    const [small, large] = [await bench(640, 360), await bench(2560, 1440)];
    for (const result of [small, large]) {
      expect(Object.keys(result).sort()).toEqual([
        "cpuMsPerFrame",
        "facesPerFrame",
        "frames",
        "framesPerSecond",
        "latencyMs",
        "rssMiB",
        "seconds",
        "stages",
      ]);
      expect(result.frames).toBe(FRAMES);
      expect(result.facesPerFrame).toBeGreaterThan(0);
    }
    // The daemon is given 640 × 360 both times: 3.5 million pixels more are the other process' to decode and scale.
    expect((large.cpuMsPerFrame ?? 0) - (small.cpuMsPerFrame ?? 0)).toBeGreaterThan(4);
    expect((large.stages.decode ?? 0) - (small.stages.decode ?? 0)).toBeGreaterThan(4);
    expect((large.rssMiB ?? 0) - (small.rssMiB ?? 0)).toBeGreaterThan(10);
  });
});
