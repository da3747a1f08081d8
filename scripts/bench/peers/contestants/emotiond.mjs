// emotiond's own frame loop and MQTT client, with frames handed over one by one; the boxes are those of its tracks.

import { createLogger } from "../../../../dist/base/log.js";
import { createFrameMaker } from "../../../../dist/camera/frame-maker.js";
import { createMasks } from "../../../../dist/camera/masks.js";
import { defaultConfig } from "../../../../dist/config/load.js";
import { createPipeline } from "../../../../dist/daemon/pipeline.js";
import { loadClassifier } from "../../../../dist/emotion/load.js";
import { createScorer } from "../../../../dist/emotion/scorer.js";
import { createLifecycle } from "../../../../dist/events/lifecycle.js";
import { createMqttPublisher } from "../../../../dist/mqtt/client.js";
import { leaveOutNumberCache } from "../../../../dist/mqtt/number-cache.js";
import { cropFaces } from "../../../../dist/vision/crop.js";
import { createFaceFinder } from "../../../../dist/vision/finder.js";
import { createTracker } from "../../../../dist/vision/tracker.js";
import { serve } from "./serve.mjs";

const config = defaultConfig({ EMOTIOND_MQTT_URL: process.env.BENCH_MQTT_URL ?? "" });
const classifier = await loadClassifier(config.emotion.model, "onnx-int8");
const publisher = createMqttPublisher({
  config: config.mqtt,
  device: "bench",
  credentials: () => ({}),
  log: createLogger("error"),
  onCommand: async () => ({ ok: false, error: "a benchmark takes no commands" }),
});
leaveOutNumberCache();
publisher.start();

let ids = 0;
const newId = () => `${++ids}`;
let current;

function begin(clip) {
  const detector =
    clip.minFaceSize === null ? config.detector : { ...config.detector, minFaceSize: clip.minFaceSize };
  const finder = createFaceFinder(detector);
  const tracker = createTracker({ lostAfter: config.events.lostAfter * 1000, newId });
  const lifecycle = createLifecycle({
    device: "bench",
    boot: newId(),
    newId,
    minConfidence: config.emotion.minConfidence,
    minDwell: config.events.minDwell * 1000,
    updateInterval: config.events.updateInterval * 1000,
    lostAfter: config.events.lostAfter * 1000,
  });
  const pipeline = createPipeline({
    finder,
    tracker,
    lifecycle,
    classifier: () => classifier,
    scorer: createScorer(cropFaces),
    opened: async () => {},
    publish: (events) => {
      for (const event of events) publisher.event(event);
    },
    publishState: (state) => publisher.state(state),
    show: async () => {},
    onStage: () => {},
  });
  return { clip, tracker, pipeline, frames: createFrameMaker(createMasks([])), start: Date.now() };
}

await serve({
  bytesPerPixel: 1.5,
  open(clip) {
    current = begin(clip);
  },
  async look(pixels, number) {
    const { clip, tracker, pipeline, frames, start } = current;
    // The clip's own time, as a camera's frames would have it.
    const at = (number * 1000) / clip.framesPerSecond;
    const frame = frames.fromI420(pixels, clip.width, clip.height, { takenAt: start + at, steadyAt: at });
    try {
      await pipeline.process(frame);
    } finally {
      frame.release();
    }
    return tracker.tracks.filter(({ confirmed }) => confirmed).map(({ id, box }) => ({ id, box }));
  },
  async close() {
    await publisher.stop(1000);
    await classifier.close();
  },
});
