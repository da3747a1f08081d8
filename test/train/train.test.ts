import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadClassifier } from "../../src/emotion/load.js";
import { readManifest } from "../../src/emotion/manifest.js";
import { HEADER, syntheticRows } from "./synthetic.js";
import { tensorFlowThere } from "./tensorflow-there.js";

const ROOT = join(import.meta.dirname, "../..");
const folder = mkdtempSync(join(tmpdir(), "emotiond-train-"));
const data = join(folder, "synthetic.csv");
const ARGUMENTS = [
  "--import",
  "tsx",
  join(ROOT, "scripts/train/train.ts"),
  "--data",
  data,
  "--preset",
  "tiny",
];
// Rounding depends on how work is split between threads; one thread makes runs comparable to the last bit.
const ENVIRONMENT = { ...process.env, TF_NUM_INTRAOP_THREADS: "1", OMP_NUM_THREADS: "1" };

function start(work: string, ...more: string[]): ChildProcess {
  const args = [...ARGUMENTS, "--work", work, "--out", join(work, "model"), ...more];
  return spawn(process.execPath, args, { cwd: ROOT, env: ENVIRONMENT, stdio: ["ignore", "pipe", "inherit"] });
}

function run(work: string, ...more: string[]): { readonly status: number | null; readonly output: string } {
  const args = [...ARGUMENTS, "--work", work, "--out", join(work, "model"), ...more];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: ROOT,
    env: ENVIRONMENT,
    encoding: "utf8",
  });
  return { status, output: stdout + stderr };
}

/** Resolves when the child has written this. */
function said(child: ChildProcess, wanted: RegExp): Promise<void> {
  return new Promise((resolve, reject) => {
    let output = "";
    child.stdout?.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      if (wanted.test(output)) resolve();
    });
    child.on("exit", () => reject(new Error(`ended without saying ${wanted}: ${output}`)));
  });
}

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.skipIf(!tensorFlowThere)("npm run train", { timeout: 240_000 }, () => {
  const whole = join(folder, "whole");
  let output = "";

  beforeAll(() => {
    const rows = [...syntheticRows("Training", 512, 1), ...syntheticRows("PublicTest", 70, 2)];
    writeFileSync(data, [HEADER, ...rows].join("\n"));
    const result = run(whole, "--epochs", "4", "--model-version", "3.2.1");
    output = result.output;
    expect(result.status, output).toBe(0);
  }, 240_000);

  test("learns, and tells loss and accuracy a line per epoch", () => {
    const losses = [...output.matchAll(/^epoch +\d\/4 {2}loss ([\d.]+) {2}PublicTest ([\d.]+) %/gm)].map(
      ([, loss]) => Number(loss),
    );
    expect(losses).toHaveLength(4);
    expect(losses[3] as number).toBeLessThan((losses[0] as number) * 0.85);
  });

  test("exports a model that every engine loads, and that is right more often than chance", async () => {
    const manifest = await readManifest(join(whole, "model"));
    expect(manifest.version).toBe("3.2.1");
    expect(manifest.training.epochs).toBe(4);
    expect(Object.keys(manifest.metrics)).toEqual(["onnx-int8", "onnx-fp32", "tensorflow"]);
    for (const figures of Object.values(manifest.metrics)) {
      expect(figures.n).toBe(70);
      expect(figures.accuracy).toBeGreaterThan(0.5);
    }
    const classifier = await loadClassifier(join(whole, "model"), "onnx-int8");
    expect(classifier.model).toEqual({ name: "emotiond-tiny", version: "3.2.1" });
    await classifier.close();
  });

  test("writes TensorBoard's event file and a report with curves, matrix and recalls", () => {
    const [events = ""] = readdirSync(join(whole, "tensorboard"));
    expect(events).toMatch(/tfevents/);
    expect(statSync(join(whole, "tensorboard", events)).size).toBeGreaterThan(200);
    const page = readFileSync(join(whole, "report.html"), "utf8");
    expect(page.match(/<polyline/g)).toHaveLength(2);
    expect(page.match(/<table/g)).toHaveLength(1);
    expect(page.match(/class="bar"/g)).toHaveLength(7);
    expect(page).not.toMatch(/<script|https?:/);
    const confusion = readFileSync(join(whole, "confusion.svg"), "utf8");
    const percentages = [...confusion.matchAll(/text-anchor="middle" fill="#\w+">(\d+)</g)].map(([, n]) =>
      Number(n),
    );
    expect(percentages).toHaveLength(49);
    // Every label is in the evaluation rows, so each row adds up to a hundred, but for rounding.
    for (let row = 0; row < 7; row++) {
      const sum = percentages.slice(7 * row, 7 * row + 7).reduce((a, b) => a + b, 0);
      expect(Math.abs(sum - 100)).toBeLessThanOrEqual(4);
    }
  });

  test("killed with -9 and resumed, ends with the same weights as a run that was not", async () => {
    const killed = join(folder, "killed");
    const child = start(killed, "--epochs", "4");
    const ended = new Promise((resolve) => child.on("close", resolve));
    await said(child, /epoch +2\/4/);
    child.kill("SIGKILL");
    await ended;
    expect(existsSync(join(killed, "model"))).toBe(false);
    const result = run(killed, "--epochs", "4", "--resume");
    expect(result.status, result.output).toBe(0);
    expect(result.output).not.toMatch(/^epoch +[12]\/4/m);
    expect(tensors(killed).equals(tensors(whole))).toBe(true);
  });

  test("starts from an exported model's weights with --init, and says so in the manifest", async () => {
    const second = join(folder, "second");
    const result = run(second, "--epochs", "1", "--learning-rate", "0.0001", "--init", join(whole, "model"));
    expect(result.status, result.output).toBe(0);
    const accuracy = Number(/PublicTest ([\d.]+) %/.exec(result.output)?.[1]);
    const before = Number(/epoch +4\/4.*PublicTest ([\d.]+) %/.exec(output)?.[1]);
    expect(accuracy).toBeGreaterThan(before - 8);
    expect(result.output).toMatch(/epoch +1\/1 {2}loss/);
    const { training } = await readManifest(join(second, "model"));
    expect(training.init).toEqual({ version: "3.2.1", epochs: 4 });
    expect(training.votes).toBe(false);
    // Exported anew, it is still what it was.
    const third = join(folder, "third");
    const again = run(third, "--export-only", "--init", join(second, "model"));
    expect(again.status, again.output).toBe(0);
    const { training: same } = await readManifest(join(third, "model"));
    expect(same).toMatchObject({ epochs: 1, hours: training.hours, init: training.init });
    const card = readFileSync(join(third, "model", "MODEL_CARD.md"), "utf8");
    expect(card).toMatch(/1 epochs, .* from the weights of version 3.2.1 \(4 epochs\)/);
    expect(card).not.toContain("FER+ votes");
    expect(card).toContain("PrivateTest was not at hand");
  });

  test("learns from exported models' answers with --teacher, and says whose they were", async () => {
    const pupil = join(folder, "pupil");
    const teachers = ["whole", "third"].flatMap((name) => ["--teacher", join(folder, name, "model")]);
    const result = run(pupil, "--epochs", "4", ...teachers, "--teacher-share", "0.2");
    expect(result.status, result.output).toBe(0);
    const { training } = await readManifest(join(pupil, "model"));
    expect(training.teacher).toEqual({ version: "3.2.1, 0.1.0", share: 0.2 });
    expect(Number(/epoch +4\/4.*PublicTest ([\d.]+) %/.exec(result.output)?.[1])).toBeGreaterThan(40);
  });

  test("with --hours, trains as many epochs as fit, and its learning rate ends with the time", () => {
    const timed = join(folder, "timed");
    const result = run(timed, "--hours", "0.005");
    expect(result.status, result.output).toBe(0);
    const { history } = header(timed) as { history: { seconds: number; learningRate: number }[] };
    expect(history.length).toBeGreaterThan(1);
    const seconds = history.reduce((sum, epoch) => sum + epoch.seconds, 0);
    // What checkpoints take is in the eighteen seconds, and in no epoch.
    expect(seconds).toBeGreaterThan(15);
    // A batch that takes long on a busy machine leaves the last step a little before the end.
    expect(history.at(-1)?.learningRate).toBeLessThan(0.05 * 0.05);
  });

  test("trains the tutorial's network with --preset seed, to figures, a saved model and a report", () => {
    const seed = join(folder, "seed");
    const result = run(seed, "--preset", "seed", "--epochs", "2");
    expect(result.status, result.output).toBe(0);
    const figures = JSON.parse(readFileSync(join(seed, "seed-figures.json"), "utf8"));
    expect(figures).toMatchObject({ epochs: 2, split: "PublicTest", original: { n: 70 }, ferplus: null });
    expect(figures.original.accuracy).toBeGreaterThan(0.25);
    expect(existsSync(join(seed, "model", "model.json"))).toBe(true);
    expect(readFileSync(join(seed, "report.html"), "utf8")).toContain("The tutorial");
    expect(readFileSync(join(seed, "confusion.svg"), "utf8")).toContain("The tutorial's network: ");
  });

  test("goes on with the tutorial's network where a kill left it", () => {
    const [halves, seed] = [join(folder, "seed-halves"), join(folder, "seed")];
    const first = run(halves, "--preset", "seed", "--epochs", "1");
    expect(first.status, first.output).toBe(0);
    const second = run(halves, "--preset", "seed", "--epochs", "2", "--resume");
    expect(second.status, second.output).toBe(0);
    expect(second.output).not.toMatch(/^epoch +1\/2/m);
    const [inHalves, inOne] = [halves, seed].map((work) =>
      readFileSync(join(work, "seed-figures.json"), "utf8"),
    );
    expect(inHalves).toBe(inOne);
  });

  test("killed in its first epoch, resumes itself and not the run before it in the same folder", async () => {
    const work = join(folder, "again");
    expect(run(work, "--epochs", "1").status).toBe(0);
    const child = start(work, "--epochs", "2", "--learning-rate", "0.001");
    const ended = new Promise((resolve) => child.on("close", resolve));
    await said(child, /training pictures/);
    const started = Date.now();
    while ((header(work) as { history: unknown[] }).history.length > 0) {
      if (Date.now() - started > 60_000) throw new Error("the old checkpoint is still there");
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    child.kill("SIGKILL");
    await ended;
    const result = run(work, "--epochs", "2", "--learning-rate", "0.001", "--resume");
    expect(result.status, result.output).toBe(0);
    expect(result.output).toMatch(/^epoch +1\/2/m);
  });

  test("does not take up another network's checkpoint", () => {
    const result = run(whole, "--preset", "edge", "--resume");
    expect(result.status).toBe(1);
    expect(result.output).toMatch(/is of another network; train into another --work/);
  });
});

function header(work: string): unknown {
  const bytes = readFileSync(join(work, "checkpoint.bin"));
  return JSON.parse(bytes.toString("utf8", 4, 4 + bytes.readUInt32LE(0)));
}

/** What a checkpoint holds but its history, whose times differ. */
function tensors(work: string): Buffer {
  const bytes = readFileSync(join(work, "checkpoint.bin"));
  return bytes.subarray(4 + bytes.readUInt32LE(0));
}
