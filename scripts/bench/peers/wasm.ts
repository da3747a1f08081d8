/**
 * `npm run bench:wasm`: one face on one core, our engines against tfjs' WASM backend on the same network.
 */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { EMOTION_COUNT } from "../../../src/base/labels.js";
import { modelFolder } from "../../../src/base/model-folder.js";
import { defaultConfig } from "../../../src/config/load.js";
import { loadClassifier } from "../../../src/emotion/load.js";
import { sampleFace } from "../../../src/emotion/timing.js";
import { percentile } from "./figures.js";
import { installPackages } from "./install.js";
import { markdownTable, short } from "./table.js";

interface Engine {
  readonly name: string;
  classify(faces: Uint8Array, count: number): Promise<ArrayLike<number>>;
  close(): Promise<void>;
}

/** The bar: int8 takes at most this share of WASM's time. */
const SHARE = 0.25;
const WARM_UPS = 20;
/** Faces in a row before it is the next engine's turn, and turns. */
const TURN = 10;
const TURNS = 30;

async function openWasm(folder: string): Promise<Engine> {
  const packages = installPackages();
  const require = createRequire(join(packages, "package.json"));
  const tf = require("@tensorflow/tfjs") as typeof import("@tensorflow/tfjs-core") &
    typeof import("@tensorflow/tfjs-converter");
  const wasm = require("@tensorflow/tfjs-backend-wasm") as { setWasmPaths(folder: string): void };
  wasm.setWasmPaths(`${join(packages, "node_modules/@tensorflow/tfjs-backend-wasm/dist")}/`);
  await tf.setBackend("wasm");
  await tf.ready();
  const artifacts = JSON.parse(await readFile(join(folder, "tfjs-model.json"), "utf8")) as {
    modelTopology: object;
    weightsManifest: {
      weights: NonNullable<import("@tensorflow/tfjs-core").io.ModelArtifacts["weightSpecs"]>;
    }[];
  };
  const weights = await readFile(join(folder, "tfjs-weights.bin"));
  const model = await tf.loadGraphModel(
    tf.io.fromMemory({
      modelTopology: artifacts.modelTopology,
      weightSpecs: artifacts.weightsManifest.flatMap((group) => group.weights),
      weightData: weights.buffer.slice(weights.byteOffset, weights.byteOffset + weights.byteLength),
    }),
  );
  return {
    name: `tfjs ${tf.version_core}, ${tf.getBackend()}`,
    async classify(faces, count) {
      const side = Math.sqrt(faces.length / count);
      const input = tf.tensor4d(Float32Array.from(faces), [count, side, side, 1]);
      const output = model.predict(input) as import("@tensorflow/tfjs-core").Tensor;
      try {
        return await output.data();
      } finally {
        input.dispose();
        output.dispose();
      }
    },
    async close() {
      model.dispose();
    },
  };
}

const { values } = parseArgs({ options: { json: { type: "boolean", default: false } } });
try {
  const folder = modelFolder(defaultConfig().emotion.model);
  const [int8, fp32] = [await loadClassifier(folder, "onnx-int8"), await loadClassifier(folder, "onnx-fp32")];
  const face = sampleFace(int8.inputSize);
  const engines: Engine[] = [
    { name: "onnx-int8", classify: int8.classify, close: int8.close },
    { name: "onnx-fp32", classify: fp32.classify, close: fp32.close },
    await openWasm(folder),
  ];
  const times = engines.map((): number[] => []);
  const scores: number[][] = [];
  for (const [index, engine] of engines.entries()) {
    for (let run = 0; run < WARM_UPS; run++) scores[index] = Array.from(await engine.classify(face, 1));
  }
  for (let turn = 0; turn < TURNS; turn++) {
    for (const [index, engine] of engines.entries()) {
      for (let run = 0; run < TURN; run++) {
        const begun = performance.now();
        await engine.classify(face, 1);
        times[index]?.push(performance.now() - begun);
      }
    }
  }
  for (const engine of engines) await engine.close();
  const [fastest, , wasm] = times.map((list) => percentile(list, 50)) as [number, number, number];
  const apart = (index: number) =>
    Math.max(
      ...Array.from({ length: EMOTION_COUNT }, (_, label) =>
        Math.abs((scores[index]?.[label] ?? 0) - (scores[1]?.[label] ?? 0)),
      ),
    );
  const rows = engines.map(({ name }, index) => ({
    engine: name,
    msPerFace: percentile(times[index] ?? [], 50),
    /** Largest difference of a score to onnx-fp32's: they are to be the same network. */
    difference: apart(index),
  }));
  const ratio = fastest / wasm;
  if (values.json) console.log(JSON.stringify({ rows, ratio, bar: SHARE }));
  else {
    const [cpu] = cpus();
    console.log(`${cpu?.model ?? "unknown processor"}, one thread, median of ${TURN * TURNS} faces\n`);
    console.log(
      markdownTable(
        ["", "ms a face", "scores differ by"],
        rows.map((row) => [row.engine, short(row.msPerFace), row.difference.toFixed(4)]),
      ),
    );
    console.log(`\nonnx-int8 takes ${short(ratio)} of WASM's time; the bar is ${SHARE}`);
  }
  if (ratio > SHARE) process.exitCode = 1;
} catch (error) {
  console.error(`bench:wasm: ${(error as Error).message}`);
  process.exitCode = 1;
}
