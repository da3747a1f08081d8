/**
 * The program of a child process: times a face in each engine that it is told of, tells its parent, and ends.
 * See timeEngines.
 */

import "../base/no-inspector.js";
import type { EngineName } from "./classifier.js";
import type { EngineTiming } from "./engine-timing.js";
import { type Manifest, readManifest } from "./manifest.js";
import { openEngine } from "./open-engine.js";
import { timeFace } from "./timing.js";

async function trial(folder: string, manifest: Manifest, engine: EngineName): Promise<EngineTiming> {
  try {
    const classifier = await openEngine(folder, manifest, engine);
    try {
      return { engine, msPerFace: await timeFace(classifier), problem: null };
    } finally {
      await classifier.close();
    }
  } catch (error) {
    return { engine, msPerFace: null, problem: (error as Error).message };
  }
}

function tell(timing: EngineTiming): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined) resolve();
    else process.send(timing, () => resolve());
  });
}

const [folder = "", ...engines] = process.argv.slice(2);
const manifest = await readManifest(folder);
for (const engine of engines) await tell(await trial(folder, manifest, engine as EngineName));
process.exit(0);
