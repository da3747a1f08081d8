import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  configFile,
  emotiond,
  killed,
  type RunningProgram,
  stillsConfig,
} from "../../scripts/test-support/daemon.js";
import { type Mosquitto, startMosquitto } from "../../scripts/test-support/mosquitto.js";
import { type Subscriber, subscribe, waitFor } from "../../scripts/test-support/subscriber.js";
import { healthSchema } from "../../src/events/schema.js";

const STAND_INS = new URL("../camera/stand-ins/", import.meta.url).pathname;

let broker: Mosquitto;
let folder: string;
let subscriber: Subscriber;
let running: RunningProgram | undefined;

beforeAll(async () => {
  broker = await startMosquitto();
});
afterAll(() => broker.stop());
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "emotiond-paused-camera-"));
  subscriber = await subscribe(broker.url, "emotiond/test/#");
});
afterEach(async () => {
  await killed(running);
  await subscriber.end();
  rmSync(folder, { recursive: true, force: true });
});

async function command(name: string): Promise<unknown> {
  const before = subscriber.on("/response").length;
  await subscriber.client.publishAsync(`emotiond/test/cmd/${name}`, "", { qos: 1 });
  await subscriber.until(() => subscriber.on("/response").length > before);
  return JSON.parse(subscriber.on("/response").at(-1)?.text ?? "");
}

const lastHealth = () => healthSchema.parse(JSON.parse(subscriber.on("/health").at(-1)?.text ?? ""));

describe("a pause during a run", () => {
  it("closes a live camera and opens it again, refuses a snapshot at once, and is told of", async () => {
    const starts = join(folder, "starts");
    const source = { type: "libcamera", width: 128, height: 96, framerate: 30 };
    running = emotiond(
      ["run", "--config", configFile(stillsConfig(broker.url, { source, privacy: { snapshots: true } }))],
      {
        PATH: `${STAND_INS}recovers${delimiter}${process.env.PATH}`,
        STAND_IN_BEHAVIOURS: "streams",
        STAND_IN_STARTS: starts,
        RUNTIME_DIRECTORY: folder,
      },
    );
    const startsSoFar = () => (existsSync(starts) ? Number(readFileSync(starts, "utf8")) : 0);
    await running.says("camera is running");
    await subscriber.until(() => subscriber.on("/health").length > 0);
    expect(await command("pause")).toEqual({ ok: true });
    await running.says("the camera is closed until the command resume");
    await subscriber.until(() => lastHealth().camera.status === "starting");
    expect(lastHealth()).toMatchObject({ paused: true, camera: { fps: 0, restarts: 0 } });
    expect(await command("snapshot")).toEqual({
      ok: false,
      error: "emotiond is paused: resume it for a snapshot",
    });
    expect(startsSoFar()).toBe(1);
    expect(await command("resume")).toEqual({ ok: true });
    await waitFor(() => startsSoFar() === 2);
    await subscriber.until(() => lastHealth().camera.status === "running", 20_000);
    expect(lastHealth()).toMatchObject({ paused: false, camera: { restarts: 0 } });
  });

  it("lets a recording go on", async () => {
    running = emotiond(["run", "--config", configFile(stillsConfig(broker.url))]);
    await subscriber.until(() => subscriber.on("/event").length > 0);
    expect(await command("pause")).toEqual({ ok: true });
    await subscriber.until(() => lastHealth().paused);
    expect(lastHealth().camera.status).toBe("running");
    expect(running.stderr()).not.toContain("the camera is closed");
  });
});
