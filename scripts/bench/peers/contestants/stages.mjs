// The hot stages one after another, for an instruction counter: a call of cv.getNumThreads marks where each begins.
import { readFileSync } from "node:fs";
import { cv } from "../../../../dist/base/opencv.js";
import { loadClassifier } from "../../../../dist/emotion/load.js";
import { loadCascade } from "../../../../dist/vision/cascade.js";
import { cropFaces } from "../../../../dist/vision/crop.js";
import { thumbnailOf } from "../../../../dist/vision/thumbnail.js";

const [film, width, height, box, folder, repeat] = JSON.parse(process.argv[2] ?? "");
const grey = new cv.Mat(readFileSync(film).subarray(0, width * height), height, width, cv.CV_8UC1);
const cascade = loadCascade("frontalface_default");
const [int8, fp32] = [await loadClassifier(folder, "onnx-int8"), await loadClassifier(folder, "onnx-fp32")];
const [face] = [await cropFaces(grey, [box], int8.inputSize)];
const around = {
  x: box.x - box.width * 0.3,
  y: box.y - box.height * 0.3,
  width: box.width * 1.6,
  height: box.height * 1.6,
};

const stages = {
  "whole frame, 1.1 and 3": () => cascade.scan(grey, { minSize: 0, scaleFactor: 1.1, minNeighbors: 3 }),
  "neighbourhood of one face": () =>
    cascade.scan(grey, {
      region: around,
      minSize: box.width * 0.8,
      maxSize: box.width * 1.25,
      scaleFactor: 1.2,
      minNeighbors: 1,
    }),
  "did anything move": async () => thumbnailOf(grey),
  "cutting one face out": () => cropFaces(grey, [box], int8.inputSize),
  "naming one face, onnx-int8": () => int8.classify(face, 1),
  "naming one face, onnx-fp32": () => fp32.classify(face, 1),
};
for (const work of Object.values(stages)) {
  await work();
  cv.getNumThreads();
  for (let run = 0; run < repeat; run++) await work();
  cv.getNumThreads();
}
console.log(JSON.stringify(Object.keys(stages)));
// What comes now is not counted, and under valgrind it takes long.
process.kill(process.pid, "SIGKILL");
