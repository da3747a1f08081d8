import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import type { IPublishPacket } from "mqtt";
import { describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { cv } from "../../src/base/opencv.js";
import { CameraError } from "../../src/camera/camera.js";
import { readSizedPhoto } from "../../src/camera/stills/photo.js";
import { parseConfig } from "../../src/config/load.js";
import { ConfigError } from "../../src/config/problem.js";
import { configSchema } from "../../src/config/schema.js";
import { readManifest } from "../../src/emotion/manifest.js";
import { ModelError } from "../../src/emotion/model-error.js";
import { commandReceiver } from "../../src/mqtt/answering.js";
import type { Connection, Message } from "../../src/mqtt/connection.js";
import type { Command } from "../../src/mqtt/publisher.js";
import { topicsOf } from "../../src/mqtt/topics.js";
import { attacks, victim } from "./support/hostile.js";
import { capturedLog } from "./support/samples.js";

/** What comes from outside, as it should not be. FUZZ_RUNS=100000 for the long run. */
const RUNS = Number(process.env.FUZZ_RUNS ?? 200);
const LONG = { timeout: 3_600_000 };
/** Brokers that attack at a time: an attack is mostly waiting. */
const AT_ONCE = 10;
/** Milliseconds of processor time that no single case may take; other work on the machine does not count. */
const NO_HANG = 2000;

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** Bytes that are held, once the garbage is collected: by JavaScript, and by the process as a whole. */
function held(): { readonly byJavaScript: number; readonly resident: number } {
  collectGarbage();
  const { heapUsed, external, rss } = process.memoryUsage();
  return { byJavaScript: heapUsed + external, resident: rss };
}

/** Runs `body` for every case of `arbitrary`; fails when one takes too long, or memory grows with their number. */
async function fuzz<T>(
  arbitrary: fc.Arbitrary<T>,
  body: (value: T) => Promise<void> | void,
  { runs = RUNS, bytes = 50 * RUNS }: { readonly runs?: number; readonly bytes?: number } = {},
): Promise<void> {
  let cases = 0;
  let early = held();
  await fc.assert(
    fc.asyncProperty(arbitrary, async (value) => {
      const begun = process.cpuUsage();
      await body(value);
      expect(process.cpuUsage(begun).user / 1000).toBeLessThan(NO_HANG);
      cases += 1;
      if (cases === Math.floor(runs / 10)) early = held();
    }),
    { numRuns: runs },
  );
  const late = held();
  // 150 bytes a case, in the long run; a case is some hundreds.
  expect(late.byJavaScript - early.byJavaScript).toBeLessThan(10e6 + bytes);
  // What is native has no such count, and free memory is not all given back: a picture a case would be 5 KB.
  expect(late.resident - early.resident).toBeLessThan(60e6 + 2000 * RUNS);
}

/** Valid text with a few bytes changed, left out, doubled, or put in. */
function damaged(valid: Buffer): fc.Arbitrary<Buffer> {
  const change = fc.record({
    at: fc.nat({ max: Math.max(0, valid.length - 1) }),
    how: fc.constantFrom("replace", "remove", "insert", "cut", "double" as const),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 8 }),
  });
  return fc.array(change, { minLength: 1, maxLength: 6 }).map((changes) => {
    let bytes = valid;
    for (const { at, how, bytes: other } of changes) {
      const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)];
      if (how === "replace") bytes = Buffer.concat([before, other, after.subarray(other.length)]);
      else if (how === "remove") bytes = Buffer.concat([before, after.subarray(other.length)]);
      else if (how === "insert") bytes = Buffer.concat([before, other, after]);
      else if (how === "cut") bytes = Buffer.from(before);
      else bytes = Buffer.concat([before, after.subarray(0, 40), after]);
    }
    return bytes;
  });
}

describe("fuzz", () => {
  it("the configuration is taken, or refused with its problems", LONG, async () => {
    const whole = configSchema.parse({ device: "kitchen", mqtt: { username: "u" } });
    const text = fc.oneof(
      damaged(Buffer.from(stringify(whole))).map((bytes) => bytes.toString()),
      fc.json(),
      fc.object({ key: fc.constantFrom(...Object.keys(whole)) }).map((value) => stringify(value)),
      fc.string({ unit: "binary", maxLength: 400 }),
    );
    const environment = fc.dictionary(
      fc.constantFrom("EMOTIOND_MQTT_URL", "EMOTIOND_PRIVACY_MASKS", "EMOTIOND_SOURCE_WIDTH", "EMOTIOND_X"),
      fc.string({ maxLength: 60 }),
    );
    await fuzz(fc.tuple(text, environment), ([content, env]) => {
      try {
        expect(configSchema.safeParse(parseConfig(content, "fuzz.yaml", env)).success).toBe(true);
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        expect(error.problems.length).toBeGreaterThan(0);
      }
    });
  });

  it("an alias bomb in the configuration is refused at once", () => {
    const bomb = ["a: &a [x,x,x,x,x,x,x,x,x]"]
      .concat([..."bcdefghi"].map((name, i) => `${name}: &${name} [${`*${"abcdefghi"[i]},`.repeat(9)}]`))
      .join("\n");
    const begun = performance.now();
    expect(() => parseConfig(bomb, "bomb.yaml")).toThrow(ConfigError);
    expect(performance.now() - begun).toBeLessThan(NO_HANG);
  });

  it("a command is carried out as it stands, or refused; answers go only where they may", LONG, async () => {
    const topics = topicsOf("emotiond", "kitchen");
    const sent: Message[] = [];
    const connection: Connection = {
      version: 5,
      receiveMaximum: 65_535,
      maximumPacketSize: 1_000_000,
      publish: (message, done) => {
        sent.push(message);
        done?.({ outcome: "acknowledged" });
      },
      subscribe() {},
      unsubscribe() {},
      congested: () => false,
      close: () => Promise.resolve(),
      abort() {},
    };
    const ran: Command[] = [];
    const receive = commandReceiver(
      topics,
      (command) => {
        ran.push(command);
        return Promise.resolve({ ok: true });
      },
      capturedLog().log,
      () => {},
      { burst: 1e9, perSecond: 1e9, waiting: 1e9, answers: 1e9, timeout: 1000 },
    );
    const topic = fc.oneof(
      fc
        .constantFrom("pause", "resume", "display", "snapshot", "paused")
        .map((name) => `emotiond/kitchen/cmd/${name}`),
      fc.string({ unit: "binary" }).map((name) => `emotiond/kitchen/cmd/${name}`),
      fc.string({ unit: "binary" }),
    );
    const payload = fc.oneof(
      fc.json().map((text) => Buffer.from(text)),
      damaged(Buffer.from('{"sink":"kms"}')),
      fc.uint8Array({ maxLength: 6000 }).map((bytes) => Buffer.from(bytes)),
    );
    const properties = fc.record(
      {
        responseTopic: fc.oneof(
          fc.string({ unit: "binary" }),
          fc.constantFrom("a/b", "emotiond/kitchen/state", "emotiond/kitchen/cmd/pause", "$SYS/x", "a/#"),
        ),
        correlationData: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
      },
      { requiredKeys: [] },
    );
    await fuzz(fc.tuple(topic, payload, properties, fc.boolean()), async ([name, bytes, about, retain]) => {
      sent.length = 0;
      ran.length = 0;
      const packet: IPublishPacket = {
        cmd: "publish",
        topic: name,
        payload: bytes,
        qos: 1,
        dup: false,
        retain,
      };
      receive(connection, name, bytes, { ...packet, properties: about });
      await new Promise((resolve) => setImmediate(resolve));
      expect(ran.length).toBeLessThanOrEqual(sent.length);
      for (const { topic: answered, payload: answer } of sent) {
        expect(answered).toMatch(/^[^$+#][^+#]*$/s);
        if (answered.startsWith("emotiond/kitchen")) expect(answered).toBe("emotiond/kitchen/response");
        const result = JSON.parse(answer.toString()) as { ok: boolean; error?: string };
        expect(result.ok).toBe(ran.length > 0);
        expect(typeof result.error).toBe(result.ok ? "undefined" : "string");
      }
      if (retain) expect(sent).toEqual([]);
    });
  });

  it("a broker's packets, whatever they are, end a connection at most, and lose no event", LONG, async () => {
    const uncaught: unknown[] = [];
    const note = (error: unknown) => uncaught.push(error);
    process.on("uncaughtException", note).on("unhandledRejection", note);
    const victims = await Promise.all(Array.from({ length: AT_ONCE }, (_, i) => victim(i % 2 === 0 ? 5 : 4)));
    const round = fc.tuple(...victims.map(({ version }) => attacks(version, damaged)));
    await fuzz(
      round,
      async (attacks) => {
        await Promise.all(attacks.map((attack, i) => victims[i]?.attack(attack)));
        expect(uncaught).toEqual([]);
      },
      // A connection that stayed would be 10 KB at least; what a case leaves in the test itself is some hundred bytes.
      { runs: Math.ceil(RUNS / AT_ONCE), bytes: 500 * RUNS },
    );
    for (const one of victims) {
      expect(await one.missing()).toEqual([]);
      expect(one.connections()).toBeGreaterThan(RUNS / AT_ONCE / 5);
      await one.stop();
    }
    process.off("uncaughtException", note).off("unhandledRejection", note);
    expect(uncaught).toEqual([]);
  });

  it("a model's manifest is taken, or refused with a ModelError", LONG, async () => {
    const folder = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "emotiond-fuzz-"));
    const valid = readFileSync(new URL("../../models/emotion/manifest.json", import.meta.url));
    const content = fc.oneof(
      damaged(valid),
      fc.json().map((text) => Buffer.from(text)),
      fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    );
    await fuzz(content, async (bytes) => {
      writeFileSync(join(folder, "manifest.json"), bytes);
      await readManifest(folder).catch((error: unknown) => {
        if (!(error instanceof ModelError)) throw error;
      });
    });
    rmSync(folder, { recursive: true, force: true });
  });

  it("a picture is decoded, or refused with a CameraError", LONG, async () => {
    const file = join(
      mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "emotiond-fuzz-")),
      "picture",
    );
    const mat = new cv.Mat(36, 48, cv.CV_8UC3, [20, 120, 220]);
    mat.drawRectangle(new cv.Point2(8, 8), new cv.Point2(30, 30), new cv.Vec3(255, 0, 0), 2);
    const content = fc.oneof(
      ...[".jpg", ".png", ".bmp", ".webp", ".tiff"].map((format) => damaged(cv.imencode(format, mat))),
      fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    );
    mat.release();
    let decoded = 0;
    let refused = 0;
    await fuzz(content, async (bytes) => {
      writeFileSync(file, bytes);
      try {
        const { picture } = await readSizedPhoto(file, 1280);
        picture.release();
        decoded += 1;
      } catch (error) {
        if (!(error instanceof CameraError)) throw error;
        refused += 1;
      }
    });
    expect(Math.min(decoded, refused)).toBeGreaterThan(RUNS / 100);
    rmSync(dirname(file), { recursive: true, force: true });
  });

  const main = new URL("../../dist/main.js", import.meta.url).pathname;
  it.skipIf(!existsSync(main))(
    "a damaged picture gets an answer from `classify`, and ends nothing",
    LONG,
    () => {
      const folder = mkdtempSync(join(tmpdir(), "emotiond-fuzz-pictures-"));
      const photos = new URL("../../node_modules/@vladmandic/face-api/demo/", import.meta.url).pathname;
      const photo = readFileSync(join(photos, "sample6.jpg"));
      // A damaged picture costs a detection; a few hundred of them in the long run.
      const count = Math.max(10, Math.floor(RUNS / 200));
      const pictures = fc.sample(
        fc.oneof(
          damaged(photo),
          damaged(photo.subarray(0, 2000)),
          fc.uint8Array({ maxLength: 2000 }).map((bytes) => Buffer.from(bytes)),
        ),
        count,
      );
      for (const [i, bytes] of pictures.entries()) writeFileSync(join(folder, `${i}.jpg`), bytes);
      const files = readdirSync(folder).map((name) => join(folder, name));
      const result = spawnSync(process.execPath, [main, "classify", ...files], {
        encoding: "utf8",
        maxBuffer: 1e9,
        timeout: 3_000_000,
      });
      expect(result.signal).toBeNull();
      expect([0, 1]).toContain(result.status);
      const lines = result.stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as { file: string });
      expect(lines).toHaveLength(count);
      rmSync(folder, { recursive: true, force: true });
    },
  );
});
