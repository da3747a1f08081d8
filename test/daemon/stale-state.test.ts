import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import mqtt from "mqtt";
import { afterEach, expect, it } from "vitest";
import { configFile, emotiond, stillsConfig } from "../../scripts/test-support/daemon.js";
import { startMosquitto } from "../../scripts/test-support/mosquitto.js";
import { subscribe } from "../../scripts/test-support/subscriber.js";
import { cv } from "../../src/base/opencv.js";
import { stateSchema } from "../../src/events/schema.js";
import { sampleState } from "../mqtt/support/samples.js";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

it("takes back the faces that a boot before it left in `state`, though nobody is in view", async () => {
  const broker = await startMosquitto();
  cleanups.push(() => broker.stop());
  const before = await mqtt.connectAsync(broker.url);
  const stale = JSON.stringify(sampleState(2));
  await before.publishAsync("emotiond/test/state", stale, { qos: 1, retain: true });
  await before.endAsync();
  const folder = mkdtempSync(join(tmpdir(), "emotiond-empty-"));
  const wall = new cv.Mat(480, 640, cv.CV_8UC3, [120, 120, 120]);
  cv.imwrite(join(folder, "wall.png"), wall);
  wall.release();
  const subscriber = await subscribe(broker.url, "emotiond/test/#");
  cleanups.push(() => subscriber.end());
  await subscriber.until((received) => received.some(({ topic }) => topic.endsWith("/state")));
  expect(stateSchema.parse(JSON.parse(subscriber.on("/state")[0]?.text ?? "")).faces).toBeGreaterThan(0);

  const source = { type: "stills", uri: folder, loop: true, framerate: 10 };
  const daemon = emotiond(["run", "--config", configFile(stillsConfig(broker.url, { source }))]);
  cleanups.push(() => daemon.child.kill("SIGKILL"));
  await subscriber.until(() => subscriber.on("/state").length > 1, 30_000);
  expect(stateSchema.parse(JSON.parse(subscriber.on("/state")[1]?.text ?? ""))).toMatchObject({
    faces: 0,
    tracks: [],
  });
});
