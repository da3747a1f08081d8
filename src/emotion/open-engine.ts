import type { Classifier, EngineName } from "./classifier.js";
import type { Manifest } from "./manifest.js";

/**
 * Opens a model in one engine; no other engine's code is loaded.
 *
 * @throws ModelError when the model or the engine cannot be used; the message names the cure.
 */
export async function openEngine(
  folder: string,
  manifest: Manifest,
  engine: EngineName,
): Promise<Classifier> {
  if (engine === "tensorflow") return (await import("./tensorflow.js")).openTensorFlow(folder, manifest);
  return (await import("./onnx.js")).openOnnx(folder, manifest, engine);
}
