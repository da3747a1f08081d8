import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { type Mosquitto, startMosquitto } from "../../scripts/test-support/mosquitto.js";
import { DURABLE, subscribe, waitFor } from "../../scripts/test-support/subscriber.js";
import { publisherOf, sampleEvent, sampleState } from "./support/samples.js";

const fleet = join(import.meta.dirname, "../../scripts/fleet");
const folder = mkdtempSync(join(tmpdir(), "emotiond-fleet-"));
const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function broker(settings: string[]): Promise<Mosquitto> {
  const one = await startMosquitto(settings);
  cleanups.push(() => one.stop());
  return one;
}
async function listener(url: string, filter: string, options = {}) {
  const one = await subscribe(url, filter, options);
  cleanups.push(() => one.end());
  return one;
}
function publisher(url: string, device: string, settings: object = {}) {
  const bench = publisherOf({ url, ...settings }, { device });
  cleanups.push(() => bench.publisher.stop(500));
  bench.publisher.start();
  return bench;
}

describe("the access list", () => {
  const names = ["kitchen", "hall", "watcher", "controller"];
  async function guarded(): Promise<Mosquitto> {
    const passwords = join(folder, "passwords");
    const acl = join(folder, "acl");
    copyFileSync(join(fleet, "acl"), acl);
    chmodSync(acl, 0o600);
    names.forEach((name, i) => {
      execFileSync("mosquitto_passwd", ["-b", ...(i === 0 ? ["-c"] : []), passwords, name, `${name}-secret`]);
      writeFileSync(join(folder, name), `${name}-secret\n`);
    });
    return broker(["allow_anonymous false", `password_file ${passwords}`, `acl_file ${acl}`]);
  }
  const login = (name: string) => ({ username: name, passwordFile: join(folder, name) });
  const app = (name: string) => ({ username: name, password: `${name}-secret` });

  it("lets a device do all that it does, and applications what is theirs", async () => {
    const { url } = await guarded();
    const watcher = await listener(url, "emotiond/#", app("watcher"));
    const controller = await listener(url, "answers/controller/#", app("controller"));
    const { publisher: sender, lines } = publisher(url, "kitchen", login("kitchen"));
    sender.event(sampleEvent(1));
    sender.state(sampleState(1));
    await watcher.until(() => watcher.on("/event").length > 0 && watcher.on("/state").length > 0);
    await new Promise((resolve) => setTimeout(resolve, 200));
    await controller.client.publishAsync("emotiond/kitchen/cmd/pause", "{}", {
      qos: 1,
      properties: { responseTopic: "answers/controller/1" },
    });
    await controller.until((received) => received.length > 0);
    expect(controller.received[0]?.text).toBe('{"ok":true}');
    expect(lines.filter((line) => line.level === "warn")).toEqual([]);
    // The watcher hears no answers and gives no commands.
    const watched = watcher.received.map((message) => message.topic);
    expect(watched).not.toContain("answers/controller/1");
    await expect(watcher.client.publishAsync("emotiond/kitchen/cmd/pause", "", { qos: 1 })).rejects.toThrow(
      /Not authorized/,
    );
  });

  it("lets a device write nothing but its own topics", async () => {
    const { url } = await guarded();
    const controller = await listener(url, "emotiond/+/+", app("controller"));
    const rogue = await listener(url, "emotiond/hall/cmd/+", app("kitchen"));
    for (const topic of [
      "emotiond/hall/event",
      "emotiond/hall/cmd/pause",
      "emotiond/kitchen2/event",
      "homeassistant/device/emotiond-hall/config",
      "anything",
    ]) {
      await expect(rogue.client.publishAsync(topic, "x", { qos: 1 }), topic).rejects.toThrow(
        /Not authorized/,
      );
    }
    await rogue.client.publishAsync("emotiond/kitchen/event", "{}", { qos: 1 });
    await controller.until(() => controller.on("kitchen/event").length > 0);
    await controller.client.publishAsync("emotiond/hall/cmd/pause", "{}", { qos: 1 });
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(rogue.received).toEqual([]);
    expect(controller.received.filter((message) => message.topic.includes("hall"))).toEqual([]);
  });

  it("keeps the events of a device that logs in with another's name, and the log says why", async () => {
    const { url } = await guarded();
    const { publisher: sender, lines } = publisher(url, "hall", login("kitchen"));
    sender.event(sampleEvent(1));
    // mosquitto 2.0.11 hangs up on what it denies: its reason may be lost with the connection, and the third tells.
    const why = /access list|does not let this client in/;
    await waitFor(() => lines.some((line) => line.level === "warn" && why.test(line.message)));
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(sender.stats()).toMatchObject({ buffered: 1, dropped: 0 });
  });
});

describe("two bridged brokers", () => {
  function houseSettings(central: number): string[] {
    const bridge = readFileSync(join(fleet, "bridge.conf"), "utf8")
      .split("\n")
      .filter((line) => line !== "" && !/^#|cafile|remote_(username|password)/.test(line))
      .map((line) =>
        line
          .replace("CENTRAL_HOST:8883", `127.0.0.1:${central}`)
          .replace("/var/lib/mosquitto/", "$FOLDER/")
          .replace("restart_timeout 1 30", "restart_timeout 1 1"),
      );
    // What comes after `connection` belongs to the bridge.
    return ["allow_anonymous true", ...bridge];
  }
  const CENTRAL = [
    "allow_anonymous true",
    "persistence true",
    "persistence_location $FOLDER/",
    "autosave_on_changes true",
    "autosave_interval 1",
  ];

  it("bring events to the centre and commands to the device, and lose nothing while the line is down", async () => {
    const central = await broker(CENTRAL);
    const house = await broker(houseSettings(central.port));
    const app = await listener(central.url, "emotiond/#", DURABLE);
    const local = await listener(house.url, "emotiond/+/event");
    const { publisher: sender } = publisher(house.url, "kitchen");
    const pump = setInterval(() => sender.state(sampleState(1)), 100);
    await app.until(() => app.on("/availability").length > 0 && app.on("/state").length > 0, 15_000);
    clearInterval(pump);
    sender.event(sampleEvent(1));
    await app.until(() => app.on("/event").length === 1);

    await app.client.publishAsync("emotiond/kitchen/cmd/pause", "{}", { qos: 1 });
    await app.until(() => app.on("/response").length === 1);
    expect(app.on("/response")[0]?.text).toBe('{"ok":true}');

    await central.terminate();
    for (let seq = 2; seq <= 50; seq++) sender.event(sampleEvent(seq));
    await local.until(() => local.received.length === 50);
    await new Promise((resolve) => setTimeout(resolve, 500));
    await central.restart();
    await app.until(() => app.on("/event").length >= 50, 15_000);
    const seqs = app.on("/event").map((message) => JSON.parse(message.text).seq as number);
    expect([...new Set(seqs)]).toEqual(Array.from({ length: 50 }, (_, i) => i + 1));
  }, 60_000);
});

describe("a shared subscription", () => {
  it("gives each event to one worker of the group", async () => {
    const { url } = await broker(["allow_anonymous true"]);
    const workers = await Promise.all([1, 2, 3].map(() => listener(url, "$share/group/emotiond/+/event")));
    const { publisher: sender } = publisher(url, "kitchen");
    for (let seq = 1; seq <= 60; seq++) sender.event(sampleEvent(seq));
    await waitFor(() => workers.reduce((sum, worker) => sum + worker.received.length, 0) >= 60);
    const seqs = workers.flatMap((worker) =>
      worker.received.map((one) => JSON.parse(one.text).seq as number),
    );
    expect(seqs.sort((a, b) => a - b)).toEqual(Array.from({ length: 60 }, (_, i) => i + 1));
    for (const worker of workers) expect(worker.received.length).toBeGreaterThan(5);
  });
});
