import { existsSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { GraphModel, Tensor } from "@tensorflow/tfjs-node";
import type { Classifier } from "./classifier.js";
import { type Manifest, readModelFile } from "./manifest.js";
import { EngineMissingError, ModelError } from "./model-error.js";
import { checkedProbabilities } from "./probabilities.js";

type TensorFlow = typeof import("@tensorflow/tfjs-node");
type WeightSpecs = NonNullable<import("@tensorflow/tfjs-core").io.ModelArtifacts["weightSpecs"]>;

/** Whether the native part is there: without it, finding out by loading half a second of JavaScript is a waste. */
function isInstalled(): boolean {
  try {
    const folder = dirname(createRequire(import.meta.url).resolve("@tensorflow/tfjs-node/package.json"));
    const builds = readdirSync(join(folder, "lib")).filter((name) => name.startsWith("napi-"));
    return builds.some((name) => existsSync(join(folder, "lib", name, "tfjs_binding.node")));
  } catch {
    return false;
  }
}

async function load(): Promise<TensorFlow> {
  process.env.TF_CPP_MIN_LOG_LEVEL ??= "2";
  try {
    if (!isInstalled()) throw new Error("its native part has not been built");
    const module = await import("@tensorflow/tfjs-node");
    // It is CommonJS: what it exports is the default.
    return (module as unknown as { default?: TensorFlow }).default ?? module;
  } catch (cause) {
    throw new EngineMissingError(
      "@tensorflow/tfjs-node is not installed, or its library does not load; run: npm run tensorflow, or set emotion.engine to auto",
      { cause },
    );
  }
}

/**
 * Opens the folder's TensorFlow.js graph model in native TensorFlow.
 *
 * @throws EngineMissingError when TensorFlow is not installed, ModelError when the model is not what its manifest says.
 */
export async function openTensorFlow(folder: string, manifest: Manifest): Promise<Classifier> {
  const files = manifest.files.tensorflow;
  if (files === undefined) {
    throw new ModelError(`the model in ${folder} has no TensorFlow.js files; set emotion.engine to auto`);
  }
  const modelBytes = await readModelFile(folder, files.model);
  const weights = await Promise.all(files.weights.map((file) => readModelFile(folder, file)));
  const tf = await load();
  let model: GraphModel;
  try {
    const artifacts = JSON.parse(modelBytes.toString("utf8")) as {
      modelTopology: object;
      weightsManifest: { weights: WeightSpecs }[];
    };
    const all = Buffer.concat(weights);
    model = await tf.loadGraphModel(
      tf.io.fromMemory({
        modelTopology: artifacts.modelTopology,
        weightSpecs: artifacts.weightsManifest.flatMap((group) => group.weights),
        weightData: all.buffer.slice(all.byteOffset, all.byteOffset + all.byteLength),
      }),
    );
  } catch (cause) {
    throw new ModelError(`TensorFlow does not read ${files.model.path}: ${(cause as Error).message}`, {
      cause,
    });
  }
  const { size } = manifest.input;
  return {
    engine: "tensorflow",
    model: { name: manifest.name, version: manifest.version },
    inputSize: size,
    async classify(faces, count) {
      let output: Tensor | undefined;
      try {
        output = tf.tidy(() => {
          const pixels = tf.tensor4d(Float32Array.from(faces), [count, size, size, 1]);
          return model.predict(pixels) as Tensor;
        });
        return checkedProbabilities((await output.data()) as Float32Array, count);
      } catch (cause) {
        if (cause instanceof ModelError) throw cause;
        throw new ModelError(`${files.model.path} does not compute: ${(cause as Error).message}`, { cause });
      } finally {
        output?.dispose();
      }
    },
    async close() {
      model.dispose();
    },
  };
}
