import { closeSync, openSync, readSync } from "node:fs";
import { createInterface } from "node:readline";
import mqtt from "mqtt";

/**
 * @typedef {{x: number, y: number, width: number, height: number}} Box
 * @typedef {{id: string | null, box: Box}} Face
 * @typedef {{file: string, width: number, height: number, framesPerSecond: number, minFaceSize: number | null}} Clip
 */

/**
 * Speaks the runner's protocol (see ../protocol.ts) for a contestant: a line of JSON in for each frame, one out.
 * The answer to a frame is published over MQTT as well, as the simplest program would.
 *
 * @param {{bytesPerPixel: number, open(clip: Clip): void | Promise<void>,
 *   look(pixels: Buffer, number: number): Promise<Face[]>, close?(): void | Promise<void>}} contestant
 */
export async function serve({ bytesPerPixel, open, look, close }) {
  const client = await mqtt.connectAsync(process.env.BENCH_MQTT_URL ?? "");
  const topic = process.env.BENCH_TOPIC ?? "";
  let file = -1;
  let pixels = Buffer.alloc(0);
  for await (const line of createInterface({ input: process.stdin })) {
    const order = JSON.parse(line);
    if (order.open !== undefined) {
      if (file >= 0) closeSync(file);
      file = openSync(order.open.file, "r");
      pixels = Buffer.alloc(order.open.width * order.open.height * bytesPerPixel);
      await open(order.open);
      tell({ ready: true });
    } else {
      readSync(file, pixels, 0, pixels.length, order.frame * pixels.length);
      const faces = await look(pixels, order.frame);
      client.publish(topic, JSON.stringify({ frame: order.serial, faces }));
      tell({ frame: order.frame, faces });
    }
  }
  await close?.();
  await client.endAsync();
}

/** Everything that the process has used so far goes with each answer: all threads, user and system. */
function tell(report) {
  const { user, system } = process.cpuUsage();
  process.stdout.write(`${JSON.stringify({ ...report, cpuMs: (user + system) / 1000 })}\n`);
}
