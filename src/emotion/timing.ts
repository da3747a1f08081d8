import type { Classifier } from "./classifier.js";

/** Runs before the clock counts, and runs that count. */
const WARM_UPS = 5;
const RUNS = 30;

/** Median time of one face in milliseconds. */
export async function timeFace(classifier: Classifier): Promise<number> {
  const face = sampleFace(classifier.inputSize);
  const times: number[] = [];
  for (let run = 0; run < WARM_UPS + RUNS; run++) {
    const began = performance.now();
    await classifier.classify(face, 1);
    if (run >= WARM_UPS) times.push(performance.now() - began);
  }
  times.sort((a, b) => a - b);
  return Math.round((times[Math.floor(times.length / 2)] as number) * 1000) / 1000;
}

/** Any picture of the right size: the time does not depend on what it shows. */
export function sampleFace(side: number): Uint8Array {
  return Uint8Array.from({ length: side ** 2 }, (_, i) => (i * 37) % 256);
}
