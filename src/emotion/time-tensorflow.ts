/**
 * The program of a child process: opens a model in TensorFlow, times a face, tells its parent, and ends.
 * See timeTensorFlow.
 */

import { readManifest } from "./manifest.js";
import { openTensorFlow } from "./tensorflow.js";
import type { TensorFlowTiming } from "./tensorflow-trial.js";
import { timeFace } from "./timing.js";

async function trial(folder: string): Promise<TensorFlowTiming> {
  try {
    const classifier = await openTensorFlow(folder, await readManifest(folder));
    return { msPerFace: await timeFace(classifier), problem: null };
  } catch (error) {
    return { msPerFace: null, problem: (error as Error).message };
  }
}

process.send?.(await trial(process.argv[2] ?? ""), () => process.exit(0));
