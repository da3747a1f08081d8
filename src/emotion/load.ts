import type { Classifier, EngineName } from "./classifier.js";
import { type Manifest, readManifest } from "./manifest.js";
import { EngineMissingError, ModelError } from "./model-error.js";
import { modelFolder } from "./model-folder.js";
import { openOnnx } from "./onnx.js";
import { openTensorFlow } from "./tensorflow.js";

/** What the classifier tells about its choice of engine. */
export interface ClassifierLogger {
  info(fields: object, message: string): void;
}

export interface LoadOptions {
  readonly logger?: ClassifierLogger;
}

export interface EngineTiming {
  readonly engine: EngineName;
  /** One face, median, in milliseconds; null where the engine cannot be used. */
  readonly msPerFace: number | null;
  /** Why it cannot be used. */
  readonly problem: string | null;
}

const ENGINES: readonly EngineName[] = ["onnx-int8", "onnx-fp32", "tensorflow"];
/** Runs before the clock counts, and runs that count. */
const WARM_UPS = 5;
const RUNS = 30;

/**
 * Opens the model in a folder: checks its manifest and hashes, and computes one face, before it is handed out.
 * `auto` times every engine that is installed, on this device, and keeps the fastest; the figures go to the log.
 *
 * @throws ModelError when the model or the engine cannot be used; the message names the cure.
 */
export async function loadClassifier(
  folder: string,
  engine: EngineName | "auto",
  options: LoadOptions = {},
): Promise<Classifier> {
  const path = modelFolder(folder);
  const manifest = await readManifest(path);
  if (engine !== "auto") {
    const classifier = await open(path, manifest, engine);
    await timeFace(classifier, 0, 1);
    return classifier;
  }
  const { classifier, timings } = await fastest(path, manifest);
  options.logger?.info(
    {
      model: `${manifest.name} ${manifest.version}`,
      engine: classifier.engine,
      timings: Object.fromEntries(
        timings.map((timing) => [timing.engine, timing.msPerFace ?? timing.problem]),
      ),
    },
    "chose the fastest engine (ms a face)",
  );
  return classifier;
}

/** Opens each engine in turn, and closes all but the fastest. */
async function fastest(
  folder: string,
  manifest: Manifest,
): Promise<{ readonly classifier: Classifier; readonly timings: readonly EngineTiming[] }> {
  const timings: EngineTiming[] = [];
  let best: { classifier: Classifier; msPerFace: number } | undefined;
  let failure: unknown;
  for (const engine of ENGINES) {
    if (manifest.files[engine] === undefined) continue;
    let classifier: Classifier;
    try {
      classifier = await open(folder, manifest, engine);
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      // An engine that is not installed is no fault; a file that is not what the manifest says is one.
      if (!(error instanceof EngineMissingError)) throw error;
      failure ??= error;
      timings.push({ engine, msPerFace: null, problem: error.message });
      continue;
    }
    const msPerFace = await timeFace(classifier, WARM_UPS, RUNS);
    timings.push({ engine, msPerFace, problem: null });
    if (best === undefined || msPerFace < best.msPerFace) {
      await best?.classifier.close();
      best = { classifier, msPerFace };
    } else {
      await classifier.close();
    }
  }
  if (best === undefined) {
    throw new ModelError(`no engine can run the model in ${folder}; run: npm ci`, { cause: failure });
  }
  return { classifier: best.classifier, timings };
}

function open(folder: string, manifest: Manifest, engine: EngineName): Promise<Classifier> {
  return engine === "tensorflow" ? openTensorFlow(folder, manifest) : openOnnx(folder, manifest, engine);
}

/** Median time of one face in milliseconds; it also proves that the model computes. */
async function timeFace(classifier: Classifier, warmUps: number, runs: number): Promise<number> {
  const face = Uint8Array.from({ length: classifier.inputSize ** 2 }, (_, i) => (i * 37) % 256);
  const times: number[] = [];
  for (let run = 0; run < warmUps + runs; run++) {
    const began = performance.now();
    await classifier.classify(face, 1);
    if (run >= warmUps) times.push(performance.now() - began);
  }
  times.sort((a, b) => a - b);
  return Math.round((times[Math.floor(times.length / 2)] as number) * 1000) / 1000;
}
