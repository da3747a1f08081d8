import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { configFile, emotiond, stillsConfig } from "../../scripts/test-support/daemon.js";
import { freePort, startMosquitto } from "../../scripts/test-support/mosquitto.js";
import { subscribe } from "../../scripts/test-support/subscriber.js";

const isBuilt = existsSync(new URL("../../dist/main.js", import.meta.url));
const cleanups: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** What every user of this machine can see of a process and of all that it has started. */
function listing(pid: number): string {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, "utf8").trim().split(" ").filter(Boolean),
  );
  const own = readFileSync(`/proc/${pid}/cmdline`, "utf8");
  return [own, ...children.map((child) => listing(Number(child)))].join("\n");
}

describe.skipIf(!isBuilt)("the login at the broker", () => {
  it("is in no log, no message, no page, no process listing and no error", async () => {
    const folder = mkdtempSync(join(tmpdir(), "emotiond-secrets-"));
    const [login, right, wrong] = ["the-Login-name", "the-right-Passw0rd", "a-wrong-Passw0rd"];
    const passwords = join(folder, "passwords");
    for (const [name, create] of [[login, ["-c"]] as const, ["watcher", []] as const]) {
      execFileSync("mosquitto_passwd", ["-b", ...create, passwords, name, right]);
    }
    const broker = await startMosquitto(["allow_anonymous false", `password_file ${passwords}`]);
    cleanups.push(() => broker.stop());
    const app = await subscribe(broker.url, "#", { username: "watcher", password: right });
    cleanups.push(() => app.end());
    const http = `127.0.0.1:${await freePort()}`;
    const passwordFile = join(folder, "password");
    const config = configFile(
      stillsConfig(broker.url, {
        mqtt: { url: broker.url, username: login, passwordFile },
        http: { listen: http },
        log: { level: "trace" },
      }),
    );

    writeFileSync(passwordFile, wrong);
    // Libraries tell everything to who asks them by DEBUG.
    const doctor = await emotiond(["doctor", "--config", config], { DEBUG: "*" }).finished;
    expect(doctor.stdout).toMatch(/check mqtt.username/);
    const daemon = emotiond(["run", "--config", config], { DEBUG: "*" });
    cleanups.push(() => daemon.child.kill("SIGKILL"));
    await daemon.says("check mqtt.username");
    writeFileSync(passwordFile, right);
    await app.until(() => app.on("/event").length > 0 && app.on("/health").length > 0, 90_000);
    const pages = await Promise.all(
      ["healthz", "readyz", "metrics"].map(async (page) => (await fetch(`http://${http}/${page}`)).text()),
    );
    const processes = listing(daemon.child.pid ?? 0);
    expect(processes).toContain("run");
    daemon.child.kill("SIGTERM");
    const { code, stdout, stderr } = await daemon.finished;
    expect(code).toBe(0);
    const heard = app.received.map(({ topic, text }) => `${topic} ${text}`);
    for (const text of [doctor.stdout, doctor.stderr, stdout, stderr, processes, ...pages, ...heard]) {
      for (const secret of [login, right, wrong])
        expect(text.split("\n").filter((line) => line.includes(secret))).toEqual([]);
    }
  });
});

describe.skipIf(!isBuilt)("a camera's password", () => {
  it("is in no log, be it before the host, in the path or in the query", async () => {
    const config = configFile({
      device: "test",
      source: {
        type: "video",
        uri: "rtsp://admin:Tr0ub%2Fdor@127.0.0.1:9/user=admin_password=S3cretPw_channel=1?key=abcdef99",
      },
      mqtt: { url: "mqtt://127.0.0.1:9" },
      http: { listen: "none" },
      log: { level: "trace" },
    });
    const daemon = emotiond(["run", "--config", config]);
    cleanups.push(() => daemon.child.kill("SIGKILL"));
    await daemon.says("emotiond is starting", 30_000);
    await daemon.says("camera failed", 30_000);
    daemon.child.kill("SIGTERM");
    const { stdout, stderr } = await daemon.finished;
    expect(stderr).toContain("rtsp://127.0.0.1:9/…");
    expect(stdout + stderr).not.toMatch(/Tr0ub|dor@|S3cret|abcdef99|admin/);
  });
});
