// @vladmandic/face-api: one of its two detectors and its expression network on tfjs' WASM backend.
import { join } from "node:path";
import { serve } from "./serve.mjs";
import { peerFolder, requirePeer } from "./tfjs-files.mjs";

const tf = requirePeer("@tensorflow/tfjs");
const wasm = requirePeer("@tensorflow/tfjs-backend-wasm");
wasm.setWasmPaths(`${join(peerFolder("@tensorflow/tfjs-backend-wasm"), "dist")}/`);
await tf.setBackend("wasm");
await tf.ready();
const faceapi = requirePeer(join(peerFolder("@vladmandic/face-api"), "dist/face-api.node-wasm.js"));
const models = join(peerFolder("@vladmandic/face-api"), "model");
const tiny = process.argv[2] === "tiny";
const detector = tiny ? faceapi.nets.tinyFaceDetector : faceapi.nets.ssdMobilenetv1;
await detector.loadFromDisk(models);
await faceapi.nets.faceExpressionNet.loadFromDisk(models);
const options = tiny ? new faceapi.TinyFaceDetectorOptions() : new faceapi.SsdMobilenetv1Options();
let clip;

await serve({
  bytesPerPixel: 3,
  open(opened) {
    clip = opened;
  },
  async look(pixels) {
    const picture = tf.tensor3d(new Uint8Array(pixels), [clip.height, clip.width, 3], "int32");
    try {
      const faces = await faceapi.detectAllFaces(picture, options).withFaceExpressions();
      return faces.map(({ detection: { box } }) => ({
        id: null,
        box: { x: box.x, y: box.y, width: box.width, height: box.height },
      }));
    } finally {
      picture.dispose();
    }
  },
});
