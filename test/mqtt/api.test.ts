import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Ajv } from "ajv";
import addFormatsModule from "ajv-formats";
import { describe, expect, it } from "vitest";
import { virtualDevice } from "../../scripts/simulate/virtual-device.js";
import { configFile, emotiond, stillsConfig } from "../../scripts/test-support/daemon.js";
import { startMosquitto } from "../../scripts/test-support/mosquitto.js";
import { type Received, subscribe, waitFor } from "../../scripts/test-support/subscriber.js";
import { asyncApiDocument, payloadSchemas, published } from "../../src/mqtt/api.js";
import { commandSchemas } from "../../src/mqtt/commands.js";
import { topicsOf } from "../../src/mqtt/topics.js";
import { capturedLog, mqttConfig, sampleHealth } from "./support/samples.js";

const addFormats = addFormatsModule.default;
const validators = () => {
  const ajv = addFormats(new Ajv({ strict: false, allErrors: true }));
  return Object.fromEntries(
    Object.entries(payloadSchemas()).map(([name, schema]) => [name, ajv.compile(schema)]),
  );
};

/** A project of somebody who listens, beside this package. */
function compile(program: string): { readonly status: number | null; readonly stdout: string } {
  const project = mkdtempSync(join(tmpdir(), "emotiond-subscriber-"));
  const root = fileURLToPath(new URL("../..", import.meta.url));
  mkdirSync(join(project, "node_modules"));
  symlinkSync(root, join(project, "node_modules/emotiond"));
  writeFileSync(join(project, "package.json"), '{"type":"module"}');
  writeFileSync(join(project, "app.ts"), program);
  const options = "--noEmit --strict --module nodenext --target es2022 app.ts";
  const { status, stdout } = spawnSync(join(root, "node_modules/.bin/tsc"), options.split(" "), {
    cwd: project,
    encoding: "utf8",
  });
  rmSync(project, { recursive: true });
  return { status, stdout };
}

const isBuilt = existsSync(new URL("../../dist/main.js", import.meta.url));

interface Document {
  readonly channels: Record<string, { address: string }>;
  readonly operations: Record<
    string,
    { action: string; bindings: { mqtt: { qos: number; retain: boolean } } }
  >;
}

describe("emotiond/api", () => {
  const subscriber = (use: string) => `
    import { type EmotionEvent, eventSchema, type Health, type State } from "emotiond/api";
    const onEvent = (event: EmotionEvent) => ${use};
    const faces = (state: State): number => state.faces;
    const fps = (health: Health): number => health.pipeline.fps;
    console.log(onEvent(eventSchema.parse(JSON.parse("{}"))), faces, fps);
  `;

  it("gives a subscriber in TypeScript the types of what it hears", ({ skip }) => {
    skip(!isBuilt, "there is no dist: npm run build");
    expect(compile(subscriber("event.emotion.scores.happy.toFixed(2)"))).toEqual({ status: 0, stdout: "" });
    expect(compile(subscriber("event.emotion.mood")).stdout).toMatch(/'mood' does not exist/);
  });
});

describe("AsyncAPI document", () => {
  const document = JSON.parse(JSON.stringify(asyncApiDocument())) as Document;
  const check = validators();

  /** Each message fits its schema, QoS and retained flag; returns the names of the topics. */
  function fitting(received: readonly Received[]): string[] {
    const seen = new Set<string>();
    for (const { topic, text, packet } of received) {
      const name = topic.split("/").slice(2).join("_");
      seen.add(name);
      const validate = check[name];
      if (validate === undefined) throw new Error(`a message on ${topic} has no schema`);
      if (name === "cmd_pause" && text === "rubbish") continue;
      const value: unknown = name === "availability" ? text : JSON.parse(text);
      expect(validate(value) ? [] : validate.errors, `${topic} ${text}`).toEqual([]);
      const binding = document.operations[`send_${name}`]?.bindings.mqtt;
      if (binding !== undefined) expect([packet.qos, packet.retain]).toEqual([binding.qos, binding.retain]);
    }
    return [...seen];
  }

  it("is valid by AsyncAPI's own schema", () => {
    const { schemas } = createRequire(import.meta.url)("@asyncapi/specs") as {
      schemas: Record<string, object>;
    };
    const schema = schemas["3.0.0"];
    if (schema === undefined) throw new Error("no schema");
    const ajv = addFormats(
      new Ajv({ strict: false, allErrors: true, meta: false, validateSchema: false, logger: false }),
    );
    const valid = ajv.validate(schema, document);
    expect(ajv.errors ?? []).toEqual([]);
    expect(valid).toBe(true);
    expect(ajv.validate(schema, { ...document, channels: { event: { address: 7 } } })).toBe(false);
  });

  it("has every reference that it makes", () => {
    const text = JSON.stringify(document);
    for (const [, pointer] of text.matchAll(/"\$ref":"#([^"]+)"/g)) {
      let at: unknown = document;
      for (const key of (pointer ?? "").split("/").slice(1)) at = (at as Record<string, unknown>)[key];
      expect(at, pointer).toBeDefined();
    }
  });

  it("names every topic of the device, and every command", () => {
    const addresses = Object.values(document.channels).map((channel) => channel.address);
    const topics = topicsOf("{baseTopic}", "{device}");
    for (const name of Object.keys(published))
      expect(addresses).toContain(topics[name as keyof typeof topics]);
    for (const name of Object.keys(commandSchemas)) expect(addresses).toContain(`${topics.root}/cmd/${name}`);
  });

  it("describes what the daemon really sends", async ({ skip }) => {
    skip(!isBuilt, "there is no dist: npm run build");
    const broker = await startMosquitto();
    const app = await subscribe(broker.url, "nothing");
    await app.client.subscribeAsync("emotiond/#", { qos: 1, rap: true });
    const daemon = emotiond([
      ...["run", "--config"],
      configFile(stillsConfig(broker.url, { events: { updateInterval: 0.5 } })),
    ]);
    try {
      await app.until(() => app.on("/event").length >= 10 && app.on("/health").length > 0, 60_000);
      await app.client.publishAsync("emotiond/test/cmd/pause", "{}", { qos: 1 });
      await app.until(() => app.on("/response").length > 0 && app.on("/paused").length > 1);
      daemon.child.kill("SIGTERM");
      await daemon.finished;
      await app.until(() => app.on("/availability").at(-1)?.text === "offline");
      expect(fitting(app.received)).toEqual(
        expect.arrayContaining(["availability", "event", "state", "health", "response", "paused"]),
      );
      const types = new Set(app.on("/event").map(({ text }) => JSON.parse(text).type as string));
      expect(types).toEqual(new Set(["new", "update", "end"]));
    } finally {
      daemon.child.kill("SIGKILL");
      await app.end();
      await broker.stop();
    }
  });

  it("describes what a run of made-up faces sends, and its answer to rubbish", async () => {
    const broker = await startMosquitto();
    const app = await subscribe(broker.url, "emotiond/#", {});
    const { log } = capturedLog();
    const device = virtualDevice({
      device: "kitchen",
      mqtt: mqttConfig({ url: broker.url }),
      log,
      updateInterval: 0.1,
      random: Math.random,
    });
    try {
      const raw = await subscribe(broker.url, "nothing");
      await raw.client.subscribeAsync("emotiond/#", { qos: 1, rap: true });
      device.publisher.start();
      await waitFor(() => device.publisher.stats().connected);
      for (let i = 0; i < 150; i++) {
        device.tick();
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      device.publisher.health(sampleHealth());
      await app.client.publishAsync("emotiond/kitchen/cmd/pause", "{}", { qos: 1 });
      await app.client.publishAsync("emotiond/kitchen/cmd/pause", "rubbish", { qos: 1 });
      await raw.until(() => raw.on("/response").length >= 2);
      await device.stop(3000);
      await raw.until(() => raw.on("/availability").at(-1)?.text === "offline");
      await raw.end();
      expect(fitting(raw.received)).toEqual(
        expect.arrayContaining(["availability", "event", "state", "health", "response", "paused"]),
      );
      expect(raw.on("/event").length).toBeGreaterThan(10);
    } finally {
      await app.end();
      await broker.stop();
    }
  });
});
