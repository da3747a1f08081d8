import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const POSTRM = fileURLToPath(new URL("../../scripts/package/debian/postrm", import.meta.url));

const WANTS = "etc/systemd/system/multi-user.target.wants";

const OWN = [
  "etc/emotiond/emotiond.yaml",
  "etc/credstore/emotiond.mqtt.password",
  "etc/systemd/system/emotiond.service.d/override.conf",
  "etc/systemd/system/emotiond@.service.d/override.conf",
  "var/lib/emotiond/outbox/CURRENT",
  "var/cache/emotiond/gstreamer.bin",
  // A second camera, a name as systemd writes it, one that is only enabled, one with a drop-in, one that is no more.
  "etc/emotiond/door.yaml",
  "etc/credstore/emotiond-door.mqtt.password",
  "var/lib/emotiond-door/engines.json",
  "var/cache/emotiond-door/gstreamer.bin",
  "etc/emotiond/back\\x20door.yaml",
  "var/lib/emotiond-back\\x20door/engines.json",
  "var/lib/emotiond-hall/engines.json",
  "etc/systemd/system/emotiond@attic.service.d/override.conf",
  "var/lib/emotiond-attic/engines.json",
  "var/lib/emotiond-cellar/outbox/CURRENT",
  "var/cache/emotiond-cellar/gstreamer.bin",
];

const OTHERS = [
  "var/lib/emotiond-dashboard/data.db",
  "var/cache/emotiond-dashboard/pictures",
  "var/lib/emotiond-door-bell/data.db",
  "var/lib/emotiond2/data.db",
  "var/cache/emotiond2/data.db",
  "etc/credstore/emotiond-dashboard.mqtt.password",
  "etc/credstore/emotiond-door-bell.mqtt.password",
  "etc/emotiond-dashboard/dashboard.yaml",
  "etc/systemd/system/emotiond-dashboard.service.d/override.conf",
  "etc/systemd/system/emotiond-dashboard@.service.d/override.conf",
];

let root = "";
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "emotiond-postrm-"));
  for (const file of [...OWN, ...OTHERS]) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), "");
  }
  mkdirSync(join(root, WANTS));
  for (const name of ["emotiond@hall.service", "emotiond-dashboard.service"]) {
    symlinkSync(`/usr/lib/systemd/system/${name}`, join(root, WANTS, name));
  }
});
afterEach(() => rmSync(root, { recursive: true }));

const postrm = (why: string) =>
  execFileSync("/bin/sh", [POSTRM, why], { env: { ...process.env, DPKG_ROOT: root }, stdio: "pipe" });

const left = (files: readonly string[]) => files.filter((file) => existsSync(join(root, file)));

describe("the package's removal", () => {
  it("takes all that is its own when it is purged, and nothing that begins with the same letters", () => {
    postrm("purge");
    expect(left(OWN)).toEqual([]);
    expect(left(OTHERS)).toEqual(OTHERS);
    const folders = ["emotiond", "emotiond-door", "emotiond-hall", "emotiond-attic", "emotiond-cellar"];
    expect(left(folders.flatMap((name) => [`var/lib/${name}`, `var/cache/${name}`]))).toEqual([]);
    expect(() => execFileSync("readlink", [join(root, WANTS, "emotiond@hall.service")])).toThrow();
    expect(execFileSync("readlink", [join(root, WANTS, "emotiond-dashboard.service")]).toString()).toContain(
      "/",
    );
  });

  it("may be purged twice, and with nothing there", () => {
    postrm("purge");
    postrm("purge");
    expect(left(OTHERS)).toEqual(OTHERS);
  });

  it("leaves everything there when it is removed without a purge, or upgraded", () => {
    postrm("remove");
    postrm("upgrade");
    expect(left([...OWN, ...OTHERS])).toEqual([...OWN, ...OTHERS]);
  });
});
