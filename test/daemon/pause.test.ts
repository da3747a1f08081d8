import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  configFile,
  emotiond,
  killed,
  type RunningProgram,
  stillsConfig,
} from "../../scripts/test-support/daemon.js";
import { type Mosquitto, startMosquitto } from "../../scripts/test-support/mosquitto.js";
import { type Subscriber, subscribe } from "../../scripts/test-support/subscriber.js";
import { healthSchema } from "../../src/events/schema.js";

let broker: Mosquitto;
let folder: string;
let state: string;
let subscriber: Subscriber;
let running: RunningProgram | undefined;
const mounts: string[] = [];

beforeAll(async () => {
  broker = await startMosquitto();
});
afterAll(() => broker.stop());
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "emotiond-paused-"));
  state = join(folder, "state");
  mkdirSync(state);
  subscriber = await subscribe(broker.url, "emotiond/test/#");
});
afterEach(async () => {
  await killed(running);
  running = undefined;
  await subscriber.end();
  for (const mount of mounts.splice(0)) execFileSync("umount", ["-l", mount]);
  rmSync(folder, { recursive: true, force: true });
});

function start(environment: NodeJS.ProcessEnv = {}, config: object = {}): RunningProgram {
  running = emotiond(["run", "--config", configFile(stillsConfig(broker.url, config))], {
    STATE_DIRECTORY: state,
    ...environment,
  });
  return running;
}

/** Sends a command, and gives its answer. */
async function command(name: string): Promise<unknown> {
  const before = subscriber.on("/response").length;
  await subscriber.client.publishAsync(`emotiond/test/cmd/${name}`, "", { qos: 1 });
  await subscriber.until(() => subscriber.on("/response").length > before);
  return JSON.parse(subscriber.on("/response").at(-1)?.text ?? "");
}

const events = () => subscriber.on("/event").length;
const lastHealth = () => healthSchema.parse(JSON.parse(subscriber.on("/health").at(-1)?.text ?? ""));
const lastPaused = () => subscriber.on("test/paused").at(-1)?.text;
const online = (times: number) =>
  subscriber.until(
    () => subscriber.on("/availability").filter(({ text }) => text === "online").length >= times,
    20_000,
  );

/** A small file system of its own at `state`, or false where that is not allowed. */
function mountState(options: string): boolean {
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", state], { stdio: "ignore" });
  } catch {
    return false;
  }
  mounts.push(state);
  return true;
}

describe("a pause", () => {
  it("lasts over a kill and a stop until it is resumed, leaves the camera alone, and is told everywhere", async () => {
    start();
    await subscriber.until(() => events() > 0, 20_000);
    expect(await command("pause")).toEqual({ ok: true });
    // Before the answer it was on disk.
    await killed(running);
    expect(statSync(join(state, "paused")).mode & 0o777).toBe(0o600);
    const before = events();

    const said = join(folder, "said");
    writeFileSync(join(folder, "systemd-notify"), `#!/bin/sh\necho "$*" >> ${said}\n`);
    chmodSync(join(folder, "systemd-notify"), 0o755);
    const told = () => (existsSync(said) ? readFileSync(said, "utf8") : "");
    const { child, says, finished, stderr } = start({
      NOTIFY_SOCKET: "/run/some",
      PATH: `${folder}:${process.env.PATH}`,
    });
    await says("paused, as before the last stop");
    await online(2);
    await subscriber.until(() => told().includes("--status=paused until the command resume"), 15_000);
    expect(told()).toContain("--ready");
    // Not what the run before left retained.
    await subscriber.until(() => lastHealth().camera.status === "starting", 15_000);
    expect(lastHealth()).toMatchObject({ paused: true, camera: { lastFrameAge: null } });
    expect(lastPaused()).toBe("true");
    expect(stderr()).not.toContain("camera is running");
    child.kill("SIGTERM");
    expect((await finished).code).toBe(0);

    const third = start();
    await online(3);
    expect(events()).toBe(before);
    expect(await command("resume")).toEqual({ ok: true });
    await subscriber.until(() => events() > before, 20_000);
    await subscriber.until(() => lastPaused() === "false");
    expect(third.stderr()).toContain("camera is running");
    await killed(running);
    const resumed = events();

    start();
    await subscriber.until(() => events() > resumed, 20_000);
    await subscriber.until(() => !lastHealth().paused);
  });

  it("stays when its record is torn, and says so", async () => {
    writeFileSync(join(state, "paused"), '{"paused":true}');
    truncateSync(join(state, "paused"), 0);
    const { says } = start();
    await says("in doubt the camera stays off");
    await online(1);
    await subscriber.until(() => lastPaused() === "true");
    expect(await command("resume")).toEqual({ ok: true });
    await subscriber.until(() => events() > 0, 20_000);
  });

  it.for(["full", "read-only"])(
    "holds for this run on a %s disk, and the answer says that a restart would forget it",
    async (kind, context) => {
      if (!mountState("size=64k")) context.skip("mounting a small file system takes root");
      if (kind === "full") {
        expect(() => writeFileSync(join(state, "ballast"), Buffer.alloc(1024 * 1024))).toThrow(/ENOSPC/);
      } else execFileSync("mount", ["-o", "remount,ro", state]);
      start();
      await subscriber.until(() => events() > 0, 20_000);
      expect(await command("pause")).toEqual({
        ok: false,
        error: expect.stringMatching(
          kind === "full" ? /^paused, but a restart would forget it: .* is full/ : /read-only disk$/,
        ),
      });
      await subscriber.until(() => lastPaused() === "true");
      const before = events();
      await new Promise((resolve) => setTimeout(resolve, 2_000));
      expect(events()).toBe(before);
    },
  );
});
