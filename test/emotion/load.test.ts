import { appendFileSync, mkdtempSync, readFileSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { EMOTION_COUNT } from "../../src/base/labels.js";
import type { Classifier, EngineName } from "../../src/emotion/classifier.js";
import { chooseClassifier, loadClassifier } from "../../src/emotion/load.js";
import { ModelError } from "../../src/emotion/model-error.js";
import { noise, SMALL, writeManifest, writeModelSlowInInt8, writeSmallModel } from "./model-fixture.js";

const FACES = 20;

function tensorFlowLoads(): boolean {
  try {
    createRequire(import.meta.url)("@tensorflow/tfjs-node");
    return true;
  } catch {
    return false;
  }
}

const withTensorFlow = tensorFlowLoads();
if (!withTensorFlow) console.warn("skipped: the tensorflow engine (npm run tensorflow installs it)");

let folder: string;
const open: Classifier[] = [];

beforeEach(() => {
  folder = writeSmallModel();
});

afterEach(async () => {
  for (const classifier of open.splice(0)) await classifier.close();
  rmSync(folder, { recursive: true, force: true });
});

async function load(engine: EngineName | "auto"): Promise<Classifier> {
  const classifier = await loadClassifier(folder, engine);
  open.push(classifier);
  return classifier;
}

async function score(engine: EngineName): Promise<Float32Array> {
  return (await load(engine)).classify(noise(FACES, SMALL.inputSize, 5), FACES);
}

function largestDifference(a: Float32Array, b: Float32Array): number {
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - (b[i] as number))), 0);
}

describe("a model folder that is as its manifest says", () => {
  test("tells its name, version, engine and input size", async () => {
    const classifier = await load("onnx-fp32");
    expect(classifier.model).toEqual({ name: "emotiond-small", version: "1.2.3" });
    expect(classifier.engine).toBe("onnx-fp32");
    expect(classifier.inputSize).toBe(44);
  });

  test("gives seven probabilities a face that sum to 1, and differ from face to face", async () => {
    const scores = await score("onnx-fp32");
    expect(scores.length).toBe(FACES * EMOTION_COUNT);
    for (let face = 0; face < FACES; face++) {
      const row = scores.subarray(face * EMOTION_COUNT, (face + 1) * EMOTION_COUNT);
      expect(row.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 5);
      expect(Math.min(...row)).toBeGreaterThanOrEqual(0);
    }
    expect(scores.subarray(0, EMOTION_COUNT)).not.toEqual(scores.subarray(EMOTION_COUNT, 2 * EMOTION_COUNT));
  });

  test("scores a face the same alone and in a batch", async () => {
    const classifier = await load("onnx-fp32");
    // More than go into one call of ONNX Runtime.
    const faces = noise(11, 44, 9);
    const together = await classifier.classify(faces, 11);
    for (const face of [0, 4, 10]) {
      const alone = await classifier.classify(faces.subarray(face * 44 * 44, (face + 1) * 44 * 44), 1);
      const same = together.subarray(face * EMOTION_COUNT, (face + 1) * EMOTION_COUNT);
      expect(largestDifference(alone, same)).toBeLessThan(1e-5);
    }
  });

  test("scores about the same in int8", async () => {
    expect(largestDifference(await score("onnx-fp32"), await score("onnx-int8"))).toBeLessThan(0.06);
  });

  test.skipIf(!withTensorFlow)("scores about the same in TensorFlow, whose weights have 8 bits", async () => {
    expect(largestDifference(await score("onnx-fp32"), await score("tensorflow"))).toBeLessThan(0.03);
  });

  test("auto begins at once on the engine that is the fastest as a rule", async () => {
    expect((await load("auto")).engine).toBe("onnx-int8");
  });
});

describe("auto", () => {
  interface Line {
    readonly fields: { engine?: string; timings?: Record<string, number> };
    readonly message: string;
  }
  let state: string;
  let lines: Line[];
  let stop: AbortController;

  beforeEach(() => {
    state = mkdtempSync(join(tmpdir(), "emotiond-state-"));
    lines = [];
    stop = new AbortController();
  });

  afterEach(() => {
    stop.abort();
    rmSync(state, { recursive: true, force: true });
  });

  async function choose(timeAfter = 0): Promise<{ first: Classifier; faster: Promise<Classifier | null> }> {
    const note = (fields: object, message: string) => lines.push({ fields, message });
    const { classifier, faster } = await chooseClassifier(folder, "auto", {
      logger: { info: note, warn: note },
      signal: stop.signal,
      stateFolder: state,
      timeAfter,
    });
    open.push(classifier);
    return { first: classifier, faster };
  }

  /** The engine that is at work once all have been timed. */
  async function finalEngine(chosen: Awaited<ReturnType<typeof choose>>): Promise<EngineName> {
    const better = await chosen.faster;
    if (better !== null) open.push(better);
    return (better ?? chosen.first).engine;
  }

  test("times what is installed in the background, ends on the fastest and tells the figures", async () => {
    const engine = await finalEngine(await choose());
    expect(lines.map(({ message }) => message)).toEqual(["chose the fastest engine (ms a face)"]);
    const timings = lines[0]?.fields.timings ?? {};
    expect(Object.keys(timings)).toEqual(expect.arrayContaining(["onnx-int8", "onnx-fp32"]));
    const numbers = Object.values(timings).filter((value) => typeof value === "number");
    expect(timings[engine]).toBe(Math.min(...numbers));
    expect(lines[0]?.fields.engine).toBe(engine);
    if (withTensorFlow) expect(timings.tensorflow).toBeGreaterThan(0);
  });

  test("hands out another engine that turns out faster, and begins with it at the next start", async () => {
    rmSync(folder, { recursive: true });
    folder = writeModelSlowInInt8();
    const chosen = await choose();
    expect(chosen.first.engine).toBe("onnx-int8");
    expect(await finalEngine(chosen)).toBe("onnx-fp32");
    expect((await choose()).first.engine).toBe("onnx-fp32");
  });

  test("times once: the next start takes the fastest at once", async () => {
    await finalEngine(await choose());
    // Figures that this machine would not have: the choice must come from them.
    const record = JSON.parse(readFileSync(join(state, "engines.json"), "utf8"));
    for (const timing of record.timings) timing.msPerFace = timing.engine === "onnx-fp32" ? 0.1 : 5;
    writeFileSync(join(state, "engines.json"), JSON.stringify(record));
    lines.length = 0;
    const again = await choose();
    expect(again.first.engine).toBe("onnx-fp32");
    expect(await again.faster).toBeNull();
    expect(lines.map(({ message }) => message)).toEqual(["took the engine that was the fastest before"]);
  });

  test("times anew for another model, and where the record is broken", async () => {
    await finalEngine(await choose());
    for (const break_ of [
      () =>
        writeManifest(folder, {
          ...JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8")),
          version: "1.2.4",
        }),
      () => writeFileSync(join(state, "engines.json"), '{"key": "x", "tim'),
    ]) {
      break_();
      lines.length = 0;
      await finalEngine(await choose());
      expect(lines.map(({ message }) => message)).toEqual(["chose the fastest engine (ms a face)"]);
    }
  });

  test("tells where the figures cannot be kept, and takes the fastest all the same", async () => {
    rmSync(state, { recursive: true });
    const engine = await finalEngine(await choose());
    expect(lines[0]?.fields.engine).toBe(engine);
    expect(lines[1]?.message).toContain("cannot be kept");
  });

  test("ends the timing when it is told to", async () => {
    const { faster } = await choose(60_000);
    const begun = performance.now();
    stop.abort();
    expect(await faster).toBeNull();
    expect(performance.now() - begun).toBeLessThan(1_000);
    expect(lines).toEqual([]);
  });
});

describe("a model folder that is not", () => {
  const manifest = () => JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8"));

  test("without a manifest is refused, with what to set", async () => {
    const empty = mkdtempSync(join(tmpdir(), "emotiond-empty-"));
    await expect(loadClassifier(empty, "auto")).rejects.toThrow(
      /manifest\.json cannot be read; set emotion\.model/,
    );
    rmSync(empty, { recursive: true });
  });

  test("with a manifest that is not JSON is refused", async () => {
    writeFileSync(join(folder, "manifest.json"), "{");
    await expect(loadClassifier(folder, "auto")).rejects.toThrow(/is not JSON/);
  });

  test("with a file of other bytes is refused: half a copy, or a mixture of versions", async () => {
    appendFileSync(join(folder, "int8.onnx"), "x");
    await expect(loadClassifier(folder, "onnx-int8")).rejects.toThrow(
      /int8\.onnx is not the file that manifest\.json names/,
    );
    await expect(loadClassifier(folder, "auto")).rejects.toThrow(ModelError);
  });

  test("without a file that the manifest names is refused", async () => {
    unlinkSync(join(folder, "fp32.onnx"));
    await expect(loadClassifier(folder, "onnx-fp32")).rejects.toThrow(/fp32\.onnx cannot be read/);
  });

  test("with labels in another order, or fewer, is refused", async () => {
    const good = manifest();
    for (const labels of [[...good.labels].reverse(), good.labels.slice(1)]) {
      writeManifest(folder, { ...good, labels });
      await expect(loadClassifier(folder, "onnx-int8")).rejects.toThrow(
        /labels: must be the seven, in this order/,
      );
    }
  });

  test("with another input size than its files is refused by the smoke inference", async () => {
    const good = manifest();
    writeManifest(folder, { ...good, input: { ...good.input, size: 48 } });
    await expect(loadClassifier(folder, "onnx-fp32")).rejects.toThrow(/does not compute/);
  });

  test("that points out of its folder is refused", async () => {
    const good = manifest();
    const file = { ...good.files["onnx-int8"], path: "../int8.onnx" };
    writeManifest(folder, { ...good, files: { ...good.files, "onnx-int8": file } });
    await expect(loadClassifier(folder, "onnx-int8")).rejects.toThrow(/must be a plain file name/);
  });

  test("without the engine that is asked for is refused, with what to set", async () => {
    const good = manifest();
    const { "onnx-int8": _, ...files } = good.files;
    writeManifest(folder, { ...good, files });
    await expect(loadClassifier(folder, "onnx-int8")).rejects.toThrow(
      /no onnx-int8 file; set emotion\.engine to auto/,
    );
  });

  test("with a file that is no ONNX model is refused", async () => {
    const good = manifest();
    const bytes = Buffer.from("no model");
    const { createHash } = await import("node:crypto");
    writeFileSync(join(folder, "int8.onnx"), bytes);
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    const file = { path: "int8.onnx", sha256, bytes: bytes.length };
    writeManifest(folder, { ...good, files: { ...good.files, "onnx-int8": file } });
    await expect(loadClassifier(folder, "onnx-int8")).rejects.toThrow(
      /ONNX Runtime does not read int8\.onnx/,
    );
  });
});
