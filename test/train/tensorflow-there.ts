import { createRequire } from "node:module";

/** Whether TensorFlow is installed; tests that train say so when they are skipped. */
export const tensorFlowThere: boolean = (() => {
  try {
    createRequire(import.meta.url)("@tensorflow/tfjs-node");
    return true;
  } catch {
    console.warn("skipped: what needs TensorFlow (npm run tensorflow installs it)");
    return false;
  }
})();
