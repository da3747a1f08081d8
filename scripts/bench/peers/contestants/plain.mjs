// The tutorial's way in this code base: the whole frame on every frame, and a call of the network for each face.

import { cv } from "../../../../dist/base/opencv.js";
import { defaultConfig } from "../../../../dist/config/load.js";
import { loadClassifier } from "../../../../dist/emotion/load.js";
import { loadCascade } from "../../../../dist/vision/cascade.js";
import { cropFaces } from "../../../../dist/vision/crop.js";
import { serve } from "./serve.mjs";

const cascade = loadCascade("frontalface_default");
const classifier = await loadClassifier(defaultConfig().emotion.model, "onnx-int8");
let clip;

await serve({
  bytesPerPixel: 1.5,
  open(opened) {
    clip = opened;
  },
  async look(pixels) {
    const grey = new cv.Mat(pixels, clip.height, clip.width, cv.CV_8UC1);
    try {
      const minSize = clip.minFaceSize === null ? 0 : clip.minFaceSize * clip.height;
      const hits = await cascade.scan(grey, { minSize, scaleFactor: 1.1, minNeighbors: 3 });
      for (const { box } of hits)
        await classifier.classify(await cropFaces(grey, [box], classifier.inputSize), 1);
      return hits.map(({ box }) => ({ id: null, box }));
    } finally {
      grey.release();
    }
  },
  close: () => classifier.close(),
});
