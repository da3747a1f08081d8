import { execFile, execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Broker, type Message, PASSWORD, startBroker, USER } from "./broker.js";
import { coloursOf } from "./colours.js";
import { boot, HOST_ADDRESS, type Machine } from "./machine.js";
import { type Prepared, prepare } from "./prepare.js";

/**
 * The package on a device of its own: a Debian 12 with real systemd, a V4L2 camera (the kernel's vivid), a monitor
 * (virtio-gpu) and the host as broker. Pictures of the monitor end in dist/system-test.
 */

const run = promisify(execFile);
const pictures = join(import.meta.dirname, "..", "..", "dist", "system-test");
const prepared: Prepared | string = await prepare();
if (typeof prepared === "string") console.log(`The virtual device is skipped: ${prepared}`);

describe.skipIf(typeof prepared === "string")("the package on a device", () => {
  let machine: Machine;
  let broker: Broker;
  let work: string;
  /** Asked while the device has nothing to do. */
  let lintian: Promise<{ errors: string; out: string }>;
  const { base, folder, deb } = prepared as Prepared;

  beforeAll(async () => {
    work = mkdtempSync(join(tmpdir(), "emotiond-device-"));
    mkdirSync(pictures, { recursive: true });
    broker = await startBroker(work);
    const share = join(work, "share");
    mkdirSync(share);
    copyFileSync(join(folder, deb), join(share, deb));
    makeUpgrade(join(share, deb), join(share, "upgrade.deb"));
    const start = performance.now();
    machine = await boot({ base, work, share });
    report(`boot to the first answer: ${seconds(start)} s`);
    // `n_devs` is one camera; its picture is a test pattern.
    await machine.must("modprobe vivid n_devs=1");
  });

  afterAll(async () => {
    // Whoever looks for the reason of a failure wants the device's own words.
    if (machine)
      writeFileSync(join(pictures, "journal.log"), (await machine.sh("journalctl -b --no-pager")).out);
    await machine?.powerOff();
    await broker?.stop();
    rmSync(work, { recursive: true, force: true });
  });

  const configure = (yaml: string) =>
    machine.must(
      // Timing the engines takes an emulated processor a minute at each start; the first start, as installed, does it.
      `cat >/etc/emotiond/emotiond.yaml <<'EOF'\ndevice: device\nemotion: {engine: onnx-int8}\n${yaml}\nmqtt: {url: "mqtt://${HOST_ADDRESS}:${broker.port}", username: ${USER}}\nEOF`,
    );
  const vivid = "source: {type: video, uri: /dev/video0, framerate: 5}";
  // Sample photos with faces, as a moving camera.
  const faces =
    "source: {type: stills, uri: '/usr/lib/emotiond/samples/sample*.jpg', loop: true, framerate: 5}\nevents: {updateInterval: 2}";

  const dropIns = "/run/systemd/system/emotiond.service.d";
  const dropIn = (...lines: string[]) =>
    machine.must(
      `mkdir -p ${dropIns}\n(echo '[Service]'; for line in ${lines.map((line) => `'${line}'`).join(" ")}; do echo "$line"; done) >${dropIns}/test.conf\nsystemctl daemon-reload`,
    );
  const noDropIn = () => machine.must(`rm -r ${dropIns}; systemctl daemon-reload`);
  const property = (name: string) => machine.must(`systemctl show -P ${name} emotiond`);
  const journal = () => machine.must("journalctl -u emotiond -o cat --no-pager");
  const restart = async () => {
    const before = await property("InvocationID");
    await machine.must("systemctl restart --no-block emotiond");
    await until("another start", 240, async () => (await property("InvocationID")) !== before);
    await active();
  };
  const active = (limit = 480) =>
    until("the service is active", limit, async () => (await property("ActiveState")) === "active");
  const heard = (since: number, test: (message: Message) => boolean) =>
    broker.messages.some((message) => message.at >= since && test(message));
  const hears = (what: string, since: number, test: (message: Message) => boolean, limit = 240) =>
    until(what, limit, () => heard(since, test));
  const isEvent = ({ topic }: Message) => topic === "emotiond/device/event";
  const isOffline = ({ topic, text }: Message) =>
    topic === "emotiond/device/availability" && text === "offline";
  const isOnline = ({ topic, text }: Message) =>
    topic === "emotiond/device/availability" && text === "online";
  const runningCamera = ({ topic, text }: Message) =>
    topic === "emotiond/device/health" && JSON.parse(text).camera.status === "running";

  it("installs in seconds, compiling nothing, and its configuration has the sample in it", async () => {
    // The sample asks for a Pi's own camera; every key also comes from the environment.
    await dropIn("Environment=EMOTIOND_SOURCE_TYPE=video EMOTIOND_SOURCE_URI=/dev/video0");
    const start = performance.now();
    const out = await machine.must(
      `DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends /deb/${deb}`,
      900,
    );
    const installed = seconds(start);
    await active();
    report(`install to active: ${seconds(start)} s, of which apt-get install ${installed} s`);
    await noDropIn();
    expect(out).toContain("Setting up emotiond");
    await machine.must("emotiond check --config /etc/emotiond/emotiond.yaml");
    expect(await machine.must("stat -c '%U:%G %a' /etc/emotiond/emotiond.yaml")).toBe("root:emotiond 640");
  });

  it("is not ready without a frame, and waits for the camera for longer than a start may take", async () => {
    await configure("source: {type: libcamera}");
    const start = performance.now();
    await dropIn(`TimeoutStartSec=${START_LIMIT}`, "WatchdogSec=10");
    await machine.must("systemctl restart --no-block emotiond");
    await until("why it is not ready, in the status line", START_LIMIT, async () =>
      (await property("StatusText")).includes("no camera"),
    );
    report(`status: ${await property("StatusText")}`);
    lintian = askLintian(join(folder, deb));
    await sleep(Math.max(0, (START_LIMIT + 10) * 1000 - (performance.now() - start)));
    const state = [await property("ActiveState"), await property("NRestarts")];
    await noDropIn();
    expect(state).toEqual(["activating", "0"]);
    expect(await journal()).not.toMatch(/start operation timed out/);
  });

  it("has no error for lintian, and is small", async () => {
    const size = statSync(join(folder, deb)).size / 1e6;
    const { errors, out } = await lintian;
    report(`${deb}: ${size.toFixed(1)} MB; lintian says: ${out || "nothing"}`);
    expect(errors).toBe("");
    expect(size).toBeLessThan(120);
  });

  it("is ready with the first frame of the V4L2 camera, and says online and running", async () => {
    await machine.must(
      `mkdir -p /etc/credstore && printf %s '${PASSWORD}' >/etc/credstore/emotiond.mqtt.password && chmod 600 /etc/credstore/*`,
    );
    await configure(vivid);
    const start = performance.now();
    await restart();
    report(`restart to active, V4L2 camera: ${seconds(start)} s`);
    await hears("online, with the password from the credential", start, isOnline);
    await hears("a running camera", start, runningCamera);
    await until("a status line", 120, async () => (await property("StatusText")).includes("fps"));
    report(`status: ${await property("StatusText")}`);
  });

  it("passes its doctor as root, with the service's own password, and tells another user the cure", async () => {
    const doctor = "emotiond doctor --config /etc/emotiond/emotiond.yaml";
    const { out, code } = await machine.sh(doctor, 600);
    report(`doctor:\n${out}`);
    for (const part of ["config", "node", "camera", "groups", "opencv", "model", "display"]) {
      expect(out).toMatch(new RegExp(`^ok +${part} `, "m"));
    }
    // The host is another machine to the device.
    expect(out).toMatch(/^warn +broker .* lets us in, with the password .* unencrypted/m);
    expect(code).toBe(0);
    const other = await machine.sh(`setpriv --reuid=nobody --regid=emotiond --clear-groups ${doctor}`, 600);
    report(`doctor, as a user who may read the configuration alone:\n${other.out}`);
    expect(other.out).toMatch(/^warn +groups .*video, render/m);
    expect(other.out).toMatch(/^fail +broker .*\/etc\/credstore\/.*: sudo emotiond doctor --config/m);
    expect(other.code).toBe(1);
  });

  it("has an exposure of 2.0 or less", async () => {
    const out = await machine.must("systemd-analyze security emotiond --no-pager | tail -1");
    report(out);
    expect(Number(/service: ([\d.]+)/.exec(out)?.[1])).toBeLessThanOrEqual(2);
  });

  it("sends events for faces, and draws them on the monitor", async () => {
    // What owns the display first, as a desktop would.
    await machine.must(
      "systemd-run --quiet --unit=desktop gst-launch-1.0 videotestsrc is-live=true ! video/x-raw,framerate=5/1 ! kmssink driver-name=virtio_gpu force-modesetting=true sync=false",
    );
    await until("the other program's picture", 120, async () => {
      const other = join(pictures, "monitor-other.png");
      await machine.screenshot(other);
      return coloursOf(other).bars > 0.1;
    });
    await configure(`${faces}\ndisplay: {sink: kms}`);
    const start = performance.now();
    await restart();
    report(`restart to active, photos and monitor: ${seconds(start)} s`);
    await hears(
      "a new face",
      start,
      (message) => isEvent(message) && JSON.parse(message.text).type === "new",
    );
    await until("why there is no picture", 240, async () =>
      (await journal()).includes("another process owns the display"),
    );
    await machine.must("systemctl stop desktop");
    const picture = join(pictures, "monitor-faces.png");
    try {
      await until("faces on the monitor", 240, async () => {
        await machine.screenshot(picture);
        const { ink, faces } = coloursOf(picture);
        return ink < 0.6 && faces > 0.002;
      });
      expect(Number(await machine.must("ps -C gst-launch-1.0 -o nice="))).toBe(19);
    } finally {
      report(
        await machine.must("journalctl -u emotiond -o cat --no-pager | grep -iE 'display|kms' | tail -10"),
      );
    }
  });

  it("reloads its configuration, and keeps the old one when the new is bad", async () => {
    const pid = await property("MainPID");
    const refused = await machine.sh(
      "echo 'nonsense: 1' >>/etc/emotiond/emotiond.yaml; systemctl reload emotiond",
    );
    expect(refused.code).not.toBe(0);
    expect(await journal()).toMatch(/^nonsense: /m);
    expect(await property("ActiveState")).toBe("active");
    expect(await property("MainPID")).toBe(pid);
    await configure(`${faces}\ndisplay: {sink: kms}`);
    await machine.must("systemctl reload emotiond");
    await until("a reload in the journal", 240, async () =>
      (await journal()).includes("configuration reloaded"),
    );
    expect(await property("MainPID")).toBe(pid);
  });

  it("is restarted by the watchdog when it is stopped, and offline was seen", async () => {
    const start = performance.now();
    const pid = await property("MainPID");
    await machine.must(`kill -STOP ${pid}`);
    await hears("offline", start, isOffline);
    await until("another process", 240, async () => !["0", pid].includes(await property("MainPID")));
    report(`SIGSTOP to restart: ${seconds(start)} s`);
    expect(await journal()).toContain("Watchdog timeout");
    await active();
  });

  it("is restarted when it is killed", async () => {
    const start = performance.now();
    const pid = await property("MainPID");
    await machine.must(`kill -KILL ${pid}`);
    await until("another process", 240, async () => !["0", pid].includes(await property("MainPID")));
    await active();
    report(`SIGKILL to active: ${seconds(start)} s`);
    await hears("offline", start, isOffline);
  });

  it("loses no event while the network is cut", async () => {
    const start = performance.now();
    await hears("an event", start, isEvent);
    await machine.network(false);
    await sleep(30_000);
    const restored = performance.now();
    const restoredAt = Date.now();
    await machine.network(true);
    await hears(
      "late events",
      restored,
      (message) => isEvent(message) && message.text.includes('"replayed":true'),
    );
    // What waited comes in order: with an event that was made after the cut, all of it is here.
    await hears(
      "an event of after the cut",
      restored,
      (message) => isEvent(message) && Date.parse(JSON.parse(message.text).time) > restoredAt,
    );
    const last = events().at(-1);
    const seqs = events()
      .filter(({ boot }) => boot === last?.boot)
      .map(({ seq }) => seq);
    const unique = [...new Set(seqs)].sort((a, b) => a - b);
    expect(unique).toEqual(Array.from({ length: unique.length }, (_, i) => (unique[0] ?? 0) + i));
  });

  it("takes a camera that goes and comes back for no reason to restart", async () => {
    await configure(`${vivid}\ndisplay: {sink: kms}`);
    await restart();
    const pid = await property("MainPID");
    await machine.must("echo vivid.0 >/sys/bus/platform/drivers/vivid/unbind");
    const start = performance.now();
    await hears(
      "a camera that does not run",
      start,
      (message) => message.topic.endsWith("/health") && JSON.parse(message.text).camera.status !== "running",
    );
    await machine.must(
      "for i in $(seq 120); do rmmod vivid && break; sleep 1; done; ! lsmod | grep -q '^vivid'",
      240,
    );
    const placeholder = join(pictures, "monitor-no-camera.png");
    await until("the notice on the monitor", 240, async () => {
      await machine.screenshot(placeholder);
      const { ink, warning } = coloursOf(placeholder);
      return ink > 0.8 && warning > 0.0005;
    });
    // Longer than WatchdogSec.
    await sleep(35_000);
    const back = performance.now();
    await machine.must("modprobe vivid n_devs=1");
    await hears("a running camera", back, runningCamera);
    report(`camera back to running: ${seconds(back)} s`);
    expect(await property("MainPID")).toBe(pid);
  });

  it("stays down with 78 on a bad configuration, and the journal says why", async () => {
    await machine.must("printf 'device: device\\nsource: {type: telescope}\\n' >/etc/emotiond/emotiond.yaml");
    await machine.sh("systemctl restart emotiond", 480);
    await until("the service has failed", 240, async () => (await property("ActiveState")) === "failed");
    // Longer than RestartSec.
    await sleep(8000);
    expect(await property("ActiveState")).toBe("failed");
    expect(await property("ExecMainStatus")).toBe("78");
    expect(await journal()).toMatch(/source\.type/);
    await configure(vivid);
  });

  it("waits longer from restart to restart while it fails at once", async () => {
    const folder = "/run/systemd/system/emotiond.service.d";
    const since = (await machine.must("date +%s")).trim();
    await machine.must(
      `mkdir -p ${folder}; printf '[Service]\\nExecStart=\\nExecStart=/bin/false\\n' >${folder}/fails.conf
      systemctl daemon-reload; systemctl reset-failed emotiond; systemctl start --no-block emotiond`,
    );
    await until("it was started five times", 240, async () => Number(await property("NRestarts")) >= 4);
    await machine.must(`rm -r ${folder}; systemctl stop emotiond; systemctl daemon-reload`);
    const text = await machine.must(
      `journalctl --unit emotiond --since @${since} --output short-unix --no-pager | grep 'Main process exited'`,
    );
    const times = text.split("\n").map((line) => Number.parseFloat(line));
    const pauses = times.slice(1).map((time, index) => time - (times[index] ?? 0));
    report(`pauses before restarts: ${pauses.map((pause) => pause.toFixed(1)).join(", ")} s`);
    for (const [index, least] of [2, 4, 8].entries())
      expect(pauses[index]).toBeGreaterThanOrEqual(least - 0.3);
  });

  it("does not wait longer after long runs, however many there were", async () => {
    const since = (await machine.must("date +%s")).trim();
    await dropIn(
      ...["Type=exec", "ExecStart=", "ExecStart=/bin/sleep 6", "Restart=always"],
      ...["ExecStartPre=", "ExecStartPre=-/usr/lib/emotiond/bin/restart-pause emotiond.service 5"],
    );
    await machine.must("systemctl reset-failed emotiond; systemctl start --no-block emotiond");
    await until("it was started five times", 240, async () => Number(await property("NRestarts")) >= 4);
    await machine.must("systemctl stop emotiond");
    await noDropIn();
    const said = await machine.must(`journalctl --unit emotiond --since @${since} --output cat --no-pager`);
    expect(said).not.toMatch(/^restart \d+: waiting/m);
  });

  it("starts by itself after a reboot", async () => {
    await machine.must("echo vivid >/etc/modules-load.d/vivid.conf; systemctl reset-failed emotiond");
    const start = performance.now();
    await machine.reboot();
    await active();
    report(`reboot to active: ${seconds(start)} s`);
    await hears("online", start, isOnline);
  });

  it("runs a second camera beside the first, with a configuration and a password of its own", async () => {
    const start = performance.now();
    await machine.must(
      `cp /etc/emotiond/emotiond.yaml /etc/emotiond/door.yaml
      cat >/etc/emotiond/door.yaml <<'EOF'
device: door
emotion: {engine: onnx-int8}
${faces}
mqtt: {url: "mqtt://${HOST_ADDRESS}:${broker.port}", username: ${USER}}
http: {listen: none}
EOF
      set -e
      mv /etc/credstore/emotiond.mqtt.password /etc/credstore/emotiond-door.mqtt.password
      systemctl enable emotiond@door
      systemctl start --no-block emotiond@door`,
    );
    await until(
      "the second service is active",
      480,
      async () => (await machine.must("systemctl show -P ActiveState emotiond@door")) === "active",
    );
    report(`second camera, start to active: ${seconds(start)} s`);
    await hears("a face at the door", start, ({ topic }) => topic === "emotiond/door/event");
    expect(await property("ActiveState")).toBe("active");
    await machine.must(`
      systemctl stop emotiond@door
      mv /etc/credstore/emotiond-door.mqtt.password /etc/credstore/emotiond.mqtt.password`);
  });

  it("keeps configuration and outbox on an upgrade, which starts a service that had failed", async () => {
    await machine.sh("echo 'nonsense: 1' >>/etc/emotiond/emotiond.yaml; systemctl restart emotiond", 480);
    expect(await property("ActiveState")).toBe("failed");
    await machine.must(
      `
      set -e
      sed -i '/^nonsense/d' /etc/emotiond/emotiond.yaml
      echo '# mine' >>/etc/emotiond/emotiond.yaml
      mkdir -p /var/lib/emotiond/outbox && touch /var/lib/emotiond/outbox/kept
      DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends /deb/upgrade.deb
      dpkg-query -W -f '\${Version}' emotiond | grep '+1$'
      grep -q '# mine' /etc/emotiond/emotiond.yaml
      test -e /var/lib/emotiond/outbox/kept`,
      600,
    );
    await active();
  });

  it("runs again, and the enabled second camera, when it is removed and installed", async () => {
    await machine.must(
      `
      set -e
      export DEBIAN_FRONTEND=noninteractive
      apt-get remove -y emotiond
      ! systemctl is-active emotiond
      apt-get install -y --no-install-recommends /deb/upgrade.deb
      grep -q '# mine' /etc/emotiond/emotiond.yaml`,
      600,
    );
    await active();
    expect(await machine.must("systemctl show -P ActiveState emotiond@door")).toMatch(/^activ(e|ating)$/);
  });

  it("leaves nothing behind when it is purged", async () => {
    // As `systemctl edit` leaves it.
    await machine.must(
      "mkdir /etc/systemd/system/emotiond.service.d && echo '[Service]' >/etc/systemd/system/emotiond.service.d/override.conf",
    );
    await machine.must("DEBIAN_FRONTEND=noninteractive apt-get purge -y emotiond", 300);
    const left = await machine.must(
      "find / -xdev \\( -path /proc -o -path /sys -o -path /tmp -o -path /deb \\) -prune -o -name '*emotiond*' -print | grep -v '^/var/lib/dpkg\\|^/var/log\\|^/var/cache/apt' || true",
    );
    expect(left).toBe("");
    expect((await machine.sh("getent passwd emotiond || getent group emotiond")).out).toBe("");
    expect((await machine.sh("systemctl is-active emotiond")).out.trim()).toBe("inactive");
  });

  interface SentEvent {
    boot: string;
    seq: number;
  }
  function events(): SentEvent[] {
    return broker.messages.filter(isEvent).map(({ text }) => JSON.parse(text) as SentEvent);
  }
});

/** What lintian says of a package; `errors` is empty where there is none. */
async function askLintian(file: string): Promise<{ errors: string; out: string }> {
  try {
    const { stdout } = await run("lintian", ["--fail-on", "error", file]);
    return { errors: "", out: stdout.trim() };
  } catch (error) {
    const { message, stdout = "" } = error as Error & { stdout?: string };
    return { errors: `${message}\n${stdout}`, out: stdout.trim() };
  }
}

/** Seconds that the test lets a start take without a sign of life. */
const START_LIMIT = 120;

/** The same package with a later version, quick to unpack. */
function makeUpgrade(deb: string, upgrade: string): void {
  const tree = `${upgrade}.tree`;
  execFileSync("dpkg-deb", ["-R", deb, tree]);
  const control = join(tree, "DEBIAN", "control");
  writeFileSync(control, readFileSync(control, "utf8").replace(/^Version: .*$/m, "$&+1"));
  execFileSync("dpkg-deb", ["--root-owner-group", "-Znone", "-b", tree, upgrade]);
  rmSync(tree, { recursive: true });
}

const seconds = (start: number) => ((performance.now() - start) / 1000).toFixed(1);
const report = (line: string) => console.log(line);

async function until(what: string, limit: number, test: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + limit * 1000;
  while (performance.now() < end) {
    if (await test()) return;
    await sleep(500);
  }
  throw new Error(`not within ${limit} s: ${what}`);
}
