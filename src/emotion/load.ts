import type { Classifier, EngineName } from "./classifier.js";
import { type Manifest, readManifest } from "./manifest.js";
import { EngineMissingError, ModelError } from "./model-error.js";
import { modelFolder } from "./model-folder.js";
import { type OnnxEngine, openOnnx } from "./onnx.js";
import { openTensorFlow } from "./tensorflow.js";
import { tensorFlowInstalled, timeTensorFlow } from "./tensorflow-trial.js";
import { sampleFace, timeFace } from "./timing.js";

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

const ONNX_ENGINES: readonly OnnxEngine[] = ["onnx-int8", "onnx-fp32"];

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
    return proven(classifier);
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

/** Times each engine, and keeps the fastest. */
async function fastest(
  folder: string,
  manifest: Manifest,
): Promise<{ readonly classifier: Classifier; readonly timings: readonly EngineTiming[] }> {
  const timings: EngineTiming[] = [];
  let best: { classifier: Classifier; msPerFace: number } | undefined;
  let failure: unknown;
  for (const engine of ONNX_ENGINES) {
    if (manifest.files[engine] === undefined) continue;
    let classifier: Classifier;
    try {
      classifier = await openOnnx(folder, manifest, engine);
    } catch (error) {
      // An engine that is not installed is no fault; a file that is not what the manifest says is one.
      if (!(error instanceof EngineMissingError)) throw error;
      failure ??= error;
      timings.push({ engine, msPerFace: null, problem: error.message });
      continue;
    }
    const msPerFace = await timeFace(classifier);
    timings.push({ engine, msPerFace, problem: null });
    if (best === undefined || msPerFace < best.msPerFace) {
      await best?.classifier.close();
      best = { classifier, msPerFace };
    } else {
      await classifier.close();
    }
  }
  if (manifest.files.tensorflow !== undefined && tensorFlowInstalled()) {
    const { msPerFace, problem } = await timeTensorFlow(folder);
    timings.push({ engine: "tensorflow", msPerFace, problem });
    if (msPerFace !== null && (best === undefined || msPerFace < best.msPerFace)) {
      await best?.classifier.close();
      best = { classifier: await proven(await openTensorFlow(folder, manifest)), msPerFace };
    }
  }
  if (best === undefined) {
    throw new ModelError(`no engine can run the model in ${folder}; run: npm ci`, { cause: failure });
  }
  return { classifier: best.classifier, timings };
}

/** Computes one face, so that a model that cannot is refused before anything depends on it. */
async function proven(classifier: Classifier): Promise<Classifier> {
  try {
    await classifier.classify(sampleFace(classifier.inputSize), 1);
    return classifier;
  } catch (error) {
    await classifier.close();
    throw error;
  }
}

function open(folder: string, manifest: Manifest, engine: EngineName): Promise<Classifier> {
  return engine === "tensorflow" ? openTensorFlow(folder, manifest) : openOnnx(folder, manifest, engine);
}
