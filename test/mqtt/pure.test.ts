import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { backoffDelay } from "../../src/base/backoff.js";
import { configSchema, defaultDevice } from "../../src/config/schema.js";
import { MAX_COMMAND_BYTES, parseCommand } from "../../src/mqtt/commands.js";
import { MqttCredentialError, passwordInTheClear, readMqttCredentials } from "../../src/mqtt/credentials.js";
import { memoryOutbox } from "../../src/mqtt/outbox.js";
import { tokenBucket } from "../../src/mqtt/rate-limit.js";
import { answerTopic, clientIdOf, commandName, topicsOf } from "../../src/mqtt/topics.js";
import { inTurns } from "../../src/mqtt/turns.js";
import { mqttConfig, sampleEvent } from "./support/samples.js";

const topics = topicsOf("emotiond", "kitchen");

describe("topics", () => {
  it("are those of the contract", () => {
    expect(topics).toEqual({
      root: "emotiond/kitchen",
      availability: "emotiond/kitchen/availability",
      event: "emotiond/kitchen/event",
      state: "emotiond/kitchen/state",
      health: "emotiond/kitchen/health",
      snapshot: "emotiond/kitchen/snapshot",
      paused: "emotiond/kitchen/paused",
      response: "emotiond/kitchen/response",
      commandFilter: "emotiond/kitchen/cmd/+",
    });
  });

  it("name a command only one level below cmd", () => {
    expect(commandName(topics, "emotiond/kitchen/cmd/pause")).toBe("pause");
    for (const other of ["emotiond/kitchen/cmd/", "emotiond/kitchen/cmd/a/b", "emotiond/hall/cmd/pause"]) {
      expect(commandName(topics, other)).toBeNull();
    }
  });

  it("answer where the sender asks, unless that is not safe to write to", () => {
    expect(answerTopic(topics, "app/7/answers")).toBe("app/7/answers");
    for (const unsafe of [
      undefined,
      "",
      "app/#",
      "app/+/x",
      "$SYS/x",
      "$share/g/x",
      "a\0b",
      "emotiond/kitchen",
      "emotiond/kitchen/state",
      "emotiond/kitchen/cmd/pause",
      "x".repeat(2000),
      "emotiond",
      "emotiond/hall/response",
      "emotiond/hall/cmd/pause",
      "emotiond/hall/x",
      "house/hall/state",
      "house/floor/hall/event",
      "house/hall/cmd/resume",
      "homeassistant/status",
      "homeassistant",
      "homeassistant/sensor/x/config",
      "deep/".repeat(64),
      "a/\u0007",
      "a/\ufdd0",
      "a/\ud800",
    ]) {
      expect(answerTopic(topics, unsafe)).toBe("emotiond/kitchen/response");
    }
    expect(answerTopic(topics, "assist/status", "assist")).toBe("emotiond/kitchen/response");
    for (const safe of ["emotiond2/x", "app/state", "cmd/x", "homeassistant2/x", "客厅/回答"]) {
      expect(answerTopic(topics, safe)).toBe(safe);
    }
    const deep = topicsOf("acme/berlin", "kitchen");
    expect(answerTopic(deep, "acme/berlin/hall/x")).toBe("acme/berlin/kitchen/response");
    expect(answerTopic(deep, "acme/app/answers")).toBe("acme/app/answers");
  });

  it("give one fixed client identifier, without characters that brokers' access lists choke on", () => {
    expect(clientIdOf("emotiond", "kitchen")).toBe("emotiond-kitchen");
    expect(clientIdOf("emotiond", "living-room_2")).toBe("emotiond-living-room_2");
    expect(clientIdOf("home/küche", "a_b")).toMatch(/^home-k-che-[0-9a-f]{10}-a_b$/);
    expect(clientIdOf("home/küche", "b")).toBe(clientIdOf("home/küche", "a_b").replace(/a_b$/, "b"));
  });

  it.each([
    [
      ["客厅", "cam"],
      ["卧室", "cam"],
    ],
    [
      ["home/kitchen", "door"],
      ["home", "kitchen-door"],
    ],
    [
      ["emotiond", "x-hall"],
      ["emotiond/x", "hall"],
    ],
    [
      ["emotiond-x", "hall"],
      ["emotiond/x", "hall"],
    ],
    [
      ["emotiond-x", "hall"],
      ["emotiond", "x-hall"],
    ],
    [
      ["a/b", "c"],
      ["a-b", "c"],
    ],
    [
      ["a/b", "c"],
      ["a b", "c"],
    ],
    [
      ["é", "c"],
      ["e\u0301", "c"],
    ],
  ] as const)("tell %j from %j", ([base, device], [otherBase, otherDevice]) => {
    expect(clientIdOf(base, device)).not.toBe(clientIdOf(otherBase, otherDevice));
  });

  it("never give two devices one identity", () => {
    // A small alphabet makes those that look alike likely; of two that differ in one join most are alike but for it.
    const character = fc.constantFrom("a", "b", "-", "_", "/", "é", "ü", " ", "0");
    const baseTopic = fc
      .oneof(fc.string({ unit: character, maxLength: 5 }), fc.string({ unit: "grapheme", maxLength: 4 }))
      .filter((text) => configSchema.safeParse({ device: "d", mqtt: { baseTopic: text } }).success);
    const device = fc.string({ unit: fc.constantFrom("a", "b", "-", "_", "0"), minLength: 1, maxLength: 5 });
    const hashed = fc.tuple(baseTopic, device).map(([base, name]) => {
      // As if somebody had named a device after another's identity.
      const id = clientIdOf(base, name);
      const dash = id.indexOf("-", 1);
      return [id.slice(0, dash), id.slice(dash + 1)] as const;
    });
    const pair = fc.oneof(
      fc.tuple(baseTopic, device),
      hashed.filter(([base, name]) => base !== "" && name !== ""),
    );
    const known = new Map<string, string>();
    fc.assert(
      fc.property(pair, ([base, name]) => {
        const id = clientIdOf(base, name);
        expect(id).toMatch(/^[A-Za-z0-9_-]+$/);
        const one = JSON.stringify([base, name]);
        expect(known.get(id) ?? one).toBe(one);
        known.set(id, one);
      }),
      { numRuns: Number(process.env.FUZZ_RUNS ?? 20_000) },
    );
  });

  it("keep two devices' messages apart, and every host name's device from another's", () => {
    const hosts = [
      "pi",
      "pi-kitchen",
      "pi.kitchen",
      "pi_kitchen",
      "pi kitchen",
      "küche",
      "kuche",
      "k-che",
      "",
    ];
    hosts.push("emotiond", "x".repeat(64), "x".repeat(65), "x".repeat(66), defaultDevice("pi.kitchen"));
    const devices = hosts.map((host) => defaultDevice(host));
    expect(new Set(devices).size).toBe(hosts.length);
    for (const name of devices) expect(name).toMatch(/^[A-Za-z0-9_-]{1,64}$/);
    expect(devices.slice(0, 2)).toEqual(["pi", "pi-kitchen"]);
  });
});

describe("commands", () => {
  const parse = (name: string, text: string) => parseCommand(name, Buffer.from(text));

  it("take an empty payload as {}", () => {
    for (const name of ["pause", "resume", "snapshot"]) {
      expect(parse(name, "")).toEqual({ ok: true, command: { name } });
      expect(parse(name, "{}")).toEqual({ ok: true, command: { name } });
    }
    expect(parse("paused", "true")).toEqual({ ok: true, command: { name: "pause" } });
    expect(parse("paused", "false")).toEqual({ ok: true, command: { name: "resume" } });
    expect(parse("display", '{"sink":"kms"}')).toEqual({
      ok: true,
      command: { name: "display", sink: "kms" },
    });
  });

  it("say what does not fit", () => {
    expect(parse("explode", "")).toEqual({
      ok: false,
      error: "unknown command; known are pause, resume, paused, display, snapshot",
    });
    expect(parse("pause", "{")).toEqual({ ok: false, error: "payload is not JSON in UTF-8" });
    expect(parseCommand("pause", Buffer.from([0x22, 0xff, 0x22]))).toEqual({
      ok: false,
      error: "payload is not JSON in UTF-8",
    });
    expect(parse("pause", '{"now":true}')).toMatchObject({
      ok: false,
      error: expect.stringContaining("now"),
    });
    expect(parse("paused", "")).toMatchObject({ ok: false });
    expect(parse("paused", "1")).toMatchObject({ ok: false });
    expect(parse("display", "{}")).toMatchObject({ ok: false, error: expect.stringContaining("sink") });
    expect(parse("display", '{"sink":7}')).toMatchObject({ ok: false });
    expect(parse("toString", "")).toMatchObject({ ok: false });
    expect(parse("__proto__", "")).toMatchObject({ ok: false });
    expect(parseCommand("pause", Buffer.alloc(MAX_COMMAND_BYTES + 1, " "))).toMatchObject({ ok: false });
  });

  it("never throw, and never make a command of what is none", () => {
    const name = fc.oneof(fc.constantFrom("pause", "resume", "display", "snapshot"), fc.string());
    const payload = fc.oneof(
      fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
      fc.json().map((text) => Buffer.from(text)),
    );
    fc.assert(
      fc.property(name, payload, (commandName, bytes) => {
        const parsed = parseCommand(commandName, bytes);
        if (parsed.ok && !["display", "paused"].includes(commandName) && bytes.length > 0) {
          expect(Object.keys(JSON.parse(bytes.toString()))).toEqual([]);
        }
        if (!parsed.ok) expect(parsed.error.length).toBeLessThan(600);
      }),
      { numRuns: Number(process.env.FUZZ_RUNS ?? 2000) },
    );
  });
});

describe("backoff", () => {
  it("doubles to its cap, less a random half", () => {
    const limits = { first: 500, cap: 30_000 };
    expect([1, 2, 3, 7, 8, 10_000].map((failures) => backoffDelay(failures, limits, 0))).toEqual([
      500, 1000, 2000, 30_000, 30_000, 30_000,
    ]);
    expect(backoffDelay(1, limits, 0.999)).toBeGreaterThanOrEqual(250);
  });
});

describe("token bucket", () => {
  it("lets a burst through, then so many a second", () => {
    const bucket = tokenBucket(3, 2);
    expect([0, 0, 0, 0].map((now) => bucket.take(now))).toEqual([true, true, true, false]);
    expect(bucket.take(499)).toBe(false);
    expect([1000, 1000, 1000].map((now) => bucket.take(now))).toEqual([true, true, false]);
  });
});

describe("turns", () => {
  it("let what else is due come between a row of messages and the next", async () => {
    const order: string[] = [];
    const turn = inTurns(() => false, 3);
    const take = (left: number): void => {
      if (left === 0) return;
      turn(() => {
        order.push("message");
        take(left - 1);
      });
    };
    take(6);
    expect(order).toEqual(["message", "message"]);
    setImmediate(() => order.push("frame"));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(order).toEqual([...Array(5).fill("message"), "frame", "message"]);
  });

  it("end with the connection", async () => {
    let over = false;
    let taken = 0;
    const turn = inTurns(() => over, 1);
    turn(() => taken++);
    over = true;
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(taken).toBe(0);
  });
});

describe("memory outbox", () => {
  it("gives events in order, and those that were released first, marked as retried", () => {
    const outbox = memoryOutbox({ maxEvents: 10, maxAge: 60 }, () => 0);
    for (let seq = 1; seq <= 4; seq++) outbox.add(sampleEvent(seq));
    const [first, second, third] = [outbox.take(), outbox.take(), outbox.take()];
    expect([first, second, third].map((taken) => taken?.event.seq)).toEqual([1, 2, 3]);
    if (second) outbox.acknowledge(second);
    outbox.release();
    expect(outbox.size()).toBe(3);
    const rest = [outbox.take(), outbox.take(), outbox.take(), outbox.take()];
    expect(rest.map((taken) => taken && [taken.event.seq, taken.retried])).toEqual([
      [1, true],
      [3, true],
      [4, false],
      undefined,
    ]);
  });

  it("drops the oldest beyond maxEvents and maxAge, and counts them", () => {
    let now = 0;
    const outbox = memoryOutbox({ maxEvents: 3, maxAge: 10 }, () => now);
    for (let seq = 1; seq <= 5; seq++) outbox.add(sampleEvent(seq));
    expect([outbox.size(), outbox.dropped()]).toEqual([3, 2]);
    now = 10_001;
    outbox.add(sampleEvent(6));
    outbox.prune();
    expect([outbox.size(), outbox.dropped()]).toEqual([1, 5]);
    const taken = outbox.take();
    expect(taken).toMatchObject({ age: 0, event: { seq: 6 } });
    if (taken) outbox.discard(taken);
    expect([outbox.size(), outbox.dropped()]).toEqual([0, 6]);
  });

  it("takes 100,000 events in and out at a steady speed", () => {
    const outbox = memoryOutbox({ maxEvents: 100_000, maxAge: 1e6 });
    const event = sampleEvent(1);
    for (let i = 0; i < 100_000; i++) outbox.add(event);
    const start = performance.now();
    for (let taken = outbox.take(); taken !== undefined; taken = outbox.take()) outbox.acknowledge(taken);
    expect(performance.now() - start).toBeLessThan(8000);
    expect(outbox.size()).toBe(0);
  });
});

describe("credentials", () => {
  const folder = mkdtempSync(join(tmpdir(), "emotiond-credentials-"));
  const file = (name: string, content: string) => {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  };

  it("come from the credentials directory first, without the last line feed", () => {
    const passwordFile = file("password", "from file\n");
    const config = mqttConfig({ username: "u", passwordFile });
    expect(readMqttCredentials(config, {})).toEqual({ username: "u", password: "from file" });
    file("mqtt.password", "from credential\n");
    expect(readMqttCredentials(config, { CREDENTIALS_DIRECTORY: folder }).password).toBe("from credential");
  });

  it("say which setting is wrong and what to do", () => {
    const read = (settings: Record<string, unknown>) => () => readMqttCredentials(mqttConfig(settings), {});
    expect(read({ username: "u", passwordFile: "/nowhere" })).toThrow(
      new MqttCredentialError(
        "mqtt.passwordFile",
        "/nowhere: there is no such file: create it, or correct the path",
      ),
    );
    expect(read({ ca: "/a" })).toThrow(
      /^mqtt.url: mqtt:\/\/localhost:1883 is not encrypted, but mqtt.ca is set/,
    );
    expect(read({ url: "mqtts://broker", ca: file("no.pem", "nothing") })).toThrow(
      /^mqtt.ca: .* is no PEM file/,
    );
    expect(read({ cert: "/a" })).toThrow(/^mqtt.key: missing/);
    expect(read({ passwordFile: file("p", "x") })).toThrow(/^mqtt.username: missing/);
  });

  it("with a password in the clear are told of, where another machine's network carries it", () => {
    const secret = { username: "u", password: "p" };
    for (const url of [
      "mqtt://broker:1883",
      "ws://192.168.1.2/mqtt",
      "mqtt://128.0.0.1",
      "mqtt://[fe80::1]",
    ]) {
      const told = passwordInTheClear(url, secret);
      expect(told).toContain(`goes to ${new URL(url).host} unencrypted`);
      expect(told).toContain(url.startsWith("ws") ? "use wss://" : "use mqtts://");
      expect(passwordInTheClear(url, { username: "u" })).toBeNull();
      expect(passwordInTheClear(url.replace("://", "s://"), secret)).toBeNull();
    }
    for (const host of [
      "localhost",
      "LocalHost:1884",
      "127.0.0.1",
      "127.3.2.1",
      "[::1]",
      "[::ffff:127.0.0.1]",
    ]) {
      expect(passwordInTheClear(`mqtt://${host}`, secret)).toBeNull();
      expect(passwordInTheClear(`ws://${host}/x`, secret)).toBeNull();
    }
    for (const name of ["localhost.example.com", "mylocalhost"]) {
      expect(passwordInTheClear(`mqtt://${name}`, secret)).not.toBeNull();
    }
  });
});
