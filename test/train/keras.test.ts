import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { writeKeras } from "../../scripts/train/export/keras.js";
import { loadClassifier } from "../../src/emotion/load.js";
import { noise, SMALL, smallNetwork, writeSmallModel } from "../emotion/model-fixture.js";

const FACES = 12;
const VENV = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "emotiond", "keras");

/**
 * A Python that has Keras 3: $EMOTIOND_KERAS_PYTHON, the one in the cache, or python3. With EMOTIOND_TEST_KERAS=1
 * the one in the cache is made, which downloads some 300 MB.
 */
function pythonWithKeras(): string | null {
  const works = (python: string) =>
    spawnSync(python, ["-c", "import keras; assert keras.__version__ >= '3'"], { timeout: 60_000 }).status ===
    0;
  const own = join(VENV, "bin/python");
  const found = [process.env.EMOTIOND_KERAS_PYTHON ?? own, own, "python3"].find(works);
  if (found !== undefined) return found;
  if (process.env.EMOTIOND_TEST_KERAS === "1") {
    spawnSync("python3", ["-m", "venv", VENV], { stdio: "inherit" });
    spawnSync(own, ["-m", "pip", "install", "-q", "keras", "tensorflow-cpu"], { stdio: "inherit" });
    if (works(own)) return own;
  }
  console.warn(
    "skipped: reading the export in Keras 3, which is not installed; EMOTIOND_TEST_KERAS=1 installs it",
  );
  return null;
}

const PROGRAM = `
import json, sys, numpy, keras
folder, size = sys.argv[1], int(sys.argv[2])
model = keras.models.model_from_json(open(folder + "/model.json").read())
model.load_weights(folder + "/model.weights.h5")
faces = numpy.fromfile(folder + "/faces.bin", dtype=numpy.uint8).reshape(-1, size, size, 1)
print("SCORES", json.dumps(model.predict(faces.astype("float32"), verbose=0).ravel().tolist()))
`;

const python = pythonWithKeras();

describe("the Keras export", { timeout: 120_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), "emotiond-keras-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  test("is a JSON and an H5 file", async () => {
    await writeKeras(smallNetwork(1), folder);
    expect(readdirSync(folder).sort()).toEqual(["model.json", "model.weights.h5"]);
  });

  test.skipIf(python === null)("gives the same scores in Keras 3 to 1e-4", async () => {
    const faces = noise(FACES, SMALL.inputSize, 3);
    writeFileSync(join(folder, "faces.bin"), faces);
    const { stdout, stderr } = spawnSync(python as string, ["-c", PROGRAM, folder, String(SMALL.inputSize)], {
      encoding: "utf8",
    });
    const line = stdout.split("\n").find((text) => text.startsWith("SCORES"));
    expect(line, stderr).toBeDefined();
    const scores = JSON.parse((line as string).slice("SCORES".length)) as number[];
    const model = writeSmallModel(1);
    const classifier = await loadClassifier(model, "onnx-fp32");
    const expected = await classifier.classify(faces, FACES);
    await classifier.close();
    rmSync(model, { recursive: true });
    expect(scores).toHaveLength(expected.length);
    scores.forEach((score, i) => {
      expect(Math.abs(score - (expected[i] as number))).toBeLessThan(1e-4);
    });
  });
});
