// @vladmandic/human: BlazeFace and its emotion network on tfjs' WASM backend. The rest that it can do is off.
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { serve } from "./serve.mjs";
import { fetchFiles, peerFolder, requirePeer } from "./tfjs-files.mjs";

fetchFiles();
// Its log goes to stdout, where the protocol is.
console.log = console.error;
const { Human } = requirePeer(join(peerFolder("@vladmandic/human"), "dist/human.node-wasm.js"));
const tracking = process.argv[2] === "tracking";
const human = new Human({
  backend: "wasm",
  wasmPath: `${join(peerFolder("@tensorflow/tfjs-backend-wasm"), "dist")}/`,
  modelBasePath: `${pathToFileURL(join(peerFolder("@vladmandic/human"), "models")).href}/`,
  debug: false,
  warmup: "none",
  // 0 looks at every frame anew; with its default, results of earlier frames are used again.
  ...(tracking ? {} : { cacheSensitivity: 0 }),
  filter: { enabled: false },
  gesture: { enabled: false },
  body: { enabled: false },
  hand: { enabled: false },
  object: { enabled: false },
  segmentation: { enabled: false },
  face: {
    enabled: true,
    detector: { maxDetected: 20, rotation: false },
    // Its mesh is what it follows a face by between two looks.
    mesh: { enabled: tracking },
    iris: { enabled: false },
    description: { enabled: false },
    antispoof: { enabled: false },
    liveness: { enabled: false },
    emotion: { enabled: true },
  },
});
await human.load();
await human.tf.ready();
let clip;

await serve({
  bytesPerPixel: 3,
  open(opened) {
    clip = opened;
  },
  async look(pixels) {
    const picture = human.tf.tensor(new Uint8Array(pixels), [1, clip.height, clip.width, 3], "float32");
    try {
      const { face } = await human.detect(picture);
      return face.map(({ box: [x, y, width, height] }) => ({ id: null, box: { x, y, width, height } }));
    } finally {
      picture.dispose();
    }
  },
});
