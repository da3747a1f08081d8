import type { InferenceSession } from "onnxruntime-node";
import { EMOTION_COUNT } from "../base/labels.js";
import type { Classifier } from "./classifier.js";
import { type Manifest, readModelFile } from "./manifest.js";
import { EngineMissingError, ModelError } from "./model-error.js";
import { checkedProbabilities } from "./probabilities.js";

export type OnnxEngine = "onnx-int8" | "onnx-fp32";

type OnnxRuntime = typeof import("onnxruntime-node");

/** Names that the exporter gives the graph's one input and one output. */
export const INPUT_NAME = "faces";
export const OUTPUT_NAME = "scores";

async function load(): Promise<OnnxRuntime> {
  // Releases from 1.29 on send telemetry unless told not to; the pinned one has none, and this makes sure.
  process.env.ORT_DISABLE_TELEMETRY = "1";
  try {
    return await import("onnxruntime-node");
  } catch (cause) {
    throw new EngineMissingError("onnxruntime-node does not load on this machine; run: npm ci", { cause });
  }
}

/**
 * Faces in one call. onnxruntime-node computes on the caller's thread, whatever its promise suggests, so that a crowd
 * is taken in parts: between two of them the event loop has its turn. It also bounds the memory of activations.
 */
const FACES_PER_RUN = 4;

/**
 * Opens one of the folder's ONNX models in ONNX Runtime.
 *
 * @throws ModelError when the folder has no such model, or it is not what its manifest says.
 */
export async function openOnnx(folder: string, manifest: Manifest, engine: OnnxEngine): Promise<Classifier> {
  const file = manifest.files[engine];
  if (file === undefined) {
    throw new ModelError(`the model in ${folder} has no ${engine} file; set emotion.engine to auto`);
  }
  const bytes = await readModelFile(folder, file);
  const ort = await load();
  let session: InferenceSession;
  try {
    session = await ort.InferenceSession.create(bytes, {
      executionProviders: ["cpu"],
      graphOptimizationLevel: "all",
      // One thread for a face of a millisecond: more would take cores from the detector, and gain little.
      intraOpNumThreads: 1,
      interOpNumThreads: 1,
      executionMode: "sequential",
      // The arena keeps what the largest batch ever needed; plain malloc costs nothing measurable here.
      enableCpuMemArena: false,
      logSeverityLevel: 3,
    });
  } catch (cause) {
    throw new ModelError(`ONNX Runtime does not read ${file.path}: ${(cause as Error).message}`, { cause });
  }
  if (session.inputNames.join() !== INPUT_NAME || session.outputNames.join() !== OUTPUT_NAME) {
    await session.release();
    throw new ModelError(
      `${file.path} has inputs ${session.inputNames.join()} and outputs ${session.outputNames.join()}, not ${INPUT_NAME} and ${OUTPUT_NAME}`,
    );
  }
  const { size } = manifest.input;
  return {
    engine,
    model: { name: manifest.name, version: manifest.version },
    inputSize: size,
    async classify(faces, count) {
      const scores = new Float32Array(count * EMOTION_COUNT);
      const pixels = size * size;
      for (let from = 0; from < count; from += FACES_PER_RUN) {
        const some = Math.min(FACES_PER_RUN, count - from);
        const part = faces.subarray(from * pixels, (from + some) * pixels);
        try {
          const input = new ort.Tensor("uint8", part, [some, 1, size, size]);
          const output = await session.run({ [INPUT_NAME]: input });
          const rows = checkedProbabilities(output[OUTPUT_NAME]?.data as Float32Array, some);
          scores.set(rows, from * EMOTION_COUNT);
        } catch (cause) {
          if (cause instanceof ModelError) throw cause;
          throw new ModelError(`${file.path} does not compute: ${(cause as Error).message}`, { cause });
        }
      }
      return scores;
    },
    close: () => session.release(),
  };
}
