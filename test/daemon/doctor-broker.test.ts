import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { freePort, type Mosquitto, startMosquitto } from "../../scripts/test-support/mosquitto.js";
import { checkBroker } from "../../src/commands/check-broker.js";
import { findServicePassword, type ServiceManager } from "../../src/commands/service-credential.js";
import { defaultConfig } from "../../src/config/load.js";
import type { MqttConfig } from "../../src/config/schema.js";
import { startEmbeddedBroker } from "../../src/mqtt/broker.js";

/** As mosquitto_passwd takes it on its command line. */
const PASSWORD = "a secret of the test";

let folder = "";
let store = "";
let config = "";

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "emotiond-doctor-"));
  chmodSync(folder, 0o755);
  store = join(folder, "credstore");
  mkdirSync(store);
  config = join(folder, "emotiond.yaml");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const keep = (name: string, text = PASSWORD): string => {
  const path = join(store, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
};

/** A service manager that answers as systemd does, or is not there. */
const manager = (answers: Readonly<Record<string, string>> = {}): ServiceManager => ({
  configFolder: folder,
  stores: [join(folder, "none"), store],
  systemctl: async (...args) => {
    const answer = answers[args.join(" ")];
    if (answer === undefined) throw new Error("no systemctl");
    return answer;
  },
});

describe("the service's password", () => {
  it("is found where systemd looks for it, for each instance its own", async () => {
    const path = keep("emotiond.mqtt.password");
    const door = keep("emotiond-door.mqtt.password");
    expect(await findServicePassword(config, manager())).toEqual({ kind: "file", path });
    expect(await findServicePassword(join(folder, "door.yaml"), manager())).toEqual({
      kind: "file",
      path: door,
    });
    expect(await findServicePassword(join(folder, "cellar.yaml"), manager())).toEqual({
      kind: "missing",
      path: join(folder, "none", "emotiond-cellar.mqtt.password"),
    });
  });

  it("is no business of a configuration that no service runs with", async () => {
    keep("emotiond.mqtt.password");
    expect(await findServicePassword("/home/me/emotiond.yaml", manager())).toBeUndefined();
    expect(await findServicePassword(join(folder, "emotiond.txt"), manager())).toBeUndefined();
  });

  it("is where a drop-in says", async () => {
    const path = join(folder, "elsewhere");
    writeFileSync(path, PASSWORD);
    const answers = { "show -P LoadCredential emotiond": `mqtt.password:${path}\n` };
    expect(await findServicePassword(config, manager(answers))).toEqual({ kind: "file", path });
  });

  it("does not reach the service under a systemd that knows no credential stores", async () => {
    const path = keep("emotiond.mqtt.password");
    const old = manager({ "--version": "systemd 249 (249.11-0ubuntu3.16)\n+PAM" });
    expect(await findServicePassword(config, old)).toEqual({
      kind: "unused",
      path,
      cure: `systemd 249 takes a credential by its path alone: sudo systemctl edit emotiond, with [Service] and LoadCredential=mqtt.password:${path}`,
    });
    const recent = manager({ "--version": "systemd 252 (252.39-1~deb12u2)" });
    expect(await findServicePassword(config, recent)).toEqual({ kind: "file", path });
  });

  it("is hidden from whoever may not read it", () => {
    chmodSync(store, 0o700);
    keep("emotiond.mqtt.password");
    // Root may read everything: somebody else has to look.
    const nobody = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};
    if (process.getuid?.() !== 0) chmodSync(store, 0o000);
    const module = join(folder, "service-credential.mjs");
    const built = join(import.meta.dirname, "..", "..", "dist", "commands", "service-credential.js");
    copyFileSync(built, module);
    chmodSync(module, 0o644);
    const script = `const { findServicePassword } = await import(${JSON.stringify(module)});
      const manager = { configFolder: ${JSON.stringify(folder)}, stores: [${JSON.stringify(store)}], systemctl: async () => "" };
      console.log(JSON.stringify(await findServicePassword(${JSON.stringify(config)}, manager)));`;
    const out = execFileSync(process.execPath, ["--input-type=module", "-e", script], {
      encoding: "utf8",
      cwd: "/",
      ...nobody,
    });
    expect(JSON.parse(out)).toEqual({ kind: "hidden", path: join(store, "emotiond.mqtt.password") });
    chmodSync(store, 0o700);
  });
});

describe("the doctor's line about the broker", () => {
  let broker: Mosquitto;
  let settings: MqttConfig;
  let secrets = "";

  beforeAll(async () => {
    secrets = mkdtempSync(join(tmpdir(), "emotiond-passwords-"));
    const passwords = join(secrets, "passwords");
    writeFileSync(passwords, "", { mode: 0o600 });
    execFileSync("mosquitto_passwd", ["-b", passwords, "kitchen", PASSWORD]);
    broker = await startMosquitto(["allow_anonymous false", `password_file ${passwords}`]);
    settings = { ...defaultConfig().mqtt, url: broker.url, username: "kitchen" };
  });
  afterAll(async () => {
    await broker?.stop();
    rmSync(secrets, { recursive: true, force: true });
  });

  const where = () => `127.0.0.1:${broker.port}`;

  it("takes the service's own password", async () => {
    const path = keep("emotiond.mqtt.password", `${PASSWORD}\n`);
    expect(await checkBroker(settings, config, manager())).toEqual({
      verdict: "ok",
      text: `${where()} lets us in, with the password in ${path}`,
    });
  });

  it("says where a missing password belongs", async () => {
    const { verdict, text } = await checkBroker(settings, config, manager());
    expect(verdict).toBe("fail");
    expect(text).toContain(`there is no password: put it into ${join(folder, "none")}`);
  });

  it("says which password is wrong", async () => {
    const path = keep("emotiond.mqtt.password", "another");
    const { verdict, text } = await checkBroker(settings, config, manager());
    expect(verdict).toBe("fail");
    expect(text).toContain(`the password is the one in ${path}`);
    expect(text).not.toContain("another");
  });

  it("names the setting that is wrong, as the daemon does", async () => {
    keep("emotiond.mqtt.password");
    const { username: _, ...anonymous } = settings;
    expect(await checkBroker(anonymous, config, manager())).toEqual({
      verdict: "fail",
      text: "mqtt.username: missing: there is a password, but no user name to it",
    });
  });

  it("is content with a broker that speaks MQTT 3.1.1 alone, as the daemon is", async () => {
    const old = await startEmbeddedBroker(0);
    try {
      const plain = { ...defaultConfig().mqtt, url: old.url };
      expect(await checkBroker(plain, undefined)).toEqual({
        verdict: "ok",
        text: `127.0.0.1:${old.port} lets us in`,
      });
    } finally {
      await old.close();
    }
  });

  it("tells a broker that is not there", async () => {
    const gone = { ...defaultConfig().mqtt, url: "mqtt://127.0.0.1:1" };
    expect(await checkBroker(gone, undefined)).toEqual({
      verdict: "fail",
      text: "127.0.0.1:1: nothing listens there: start the broker, or correct mqtt.url",
    });
  });

  it("warns of a password that goes over the network unencrypted, whether the broker is there or not", async ({
    skip,
  }) => {
    const addresses = Object.values(networkInterfaces()).flatMap((some) => some ?? []);
    const outside = addresses.find(({ family, internal }) => family === "IPv4" && !internal)?.address;
    if (outside === undefined) return skip("this machine has no address but loopback");
    const port = await freePort();
    const open = await startMosquitto(["allow_anonymous true", `listener ${port} ${outside}`]);
    keep("emotiond.mqtt.password");
    const plain = { ...settings, url: `mqtt://${outside}:${port}` };
    const warning = `mqtt.url: the password goes to ${outside}:${port} unencrypted`;
    try {
      expect(await checkBroker(plain, config, manager())).toMatchObject({
        verdict: "warn",
        text: expect.stringContaining(warning),
      });
      const { username: _, ...anonymous } = plain;
      expect(await checkBroker(anonymous, undefined)).toMatchObject({ verdict: "ok" });
    } finally {
      await open.stop();
    }
    expect(await checkBroker(plain, config, manager())).toMatchObject({
      verdict: "fail",
      text: expect.stringContaining(warning),
    });
  });
});
