import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { createScreen, SCREEN_TIMES, type Screen } from "../../src/display/screen/screen.js";
import { memoryLogger, until } from "./fixtures.js";

/** The kms sink on folders that look like a machine's, with a stand-in for gst-launch-1.0 that tells what it got. */

const times = {
  ...SCREEN_TIMES,
  firstBackoff: 50,
  longestBackoff: 400,
  plugPoll: 50,
  stuckAfter: 200,
  firstPictureWithin: 1500,
  stopGrace: 500,
};
let root: string;
let controller: AbortController;
let screen: Screen | undefined;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "plug-"));
  controller = new AbortController();
  for (const folder of ["sys/class/drm/card1-HDMI-A-1", "sys/class/drm/card1/device", "dev/dri"]) {
    mkdirSync(join(root, folder), { recursive: true });
  }
  writeFileSync(join(root, "dev/dri/card1"), "");
  symlinkSync("../../bus/virtio/drivers/virtio_gpu", join(root, "sys/class/drm/card1/device/driver"));
  writeFileSync(join(root, "sys/class/drm/card1-HDMI-A-1/modes"), "640x480\n");
});

afterEach(async () => {
  controller.abort();
  await screen?.done;
  screen = undefined;
  rmSync(root, { recursive: true });
});

const plug = (status: "connected" | "disconnected") =>
  writeFileSync(join(root, "sys/class/drm/card1-HDMI-A-1/status"), `${status}\n`);

function open(
  version: string,
  behaviour = 'echo "Setting pipeline to PLAYING ..."\nexec cat >/dev/null',
  firstPictureWithin = times.firstPictureWithin,
) {
  const launcher = join(root, "gst-launch");
  const told = join(root, "told");
  writeFileSync(
    launcher,
    `#!/bin/sh\n[ "$1" = --version ] && { echo "GStreamer ${version}"; exit; }\n` +
      `echo "$@" >"${told}"\nreadlink /proc/self/fd/3 >>"${told}"\n${behaviour}\n`,
    { mode: 0o755 },
  );
  const log = memoryLogger();
  const pixels = Buffer.alloc(640 * 480 * 3);
  const opened: Screen = createScreen({
    sink: { kind: "kms" },
    logger: log.logger,
    signal: controller.signal,
    machine: { sys: join(root, "sys"), dev: join(root, "dev"), env: { PATH: process.env.PATH } },
    times: { ...times, firstPictureWithin },
    launcher,
    onOpen: () => void opened.offer(pixels),
  });
  screen = opened;
  return { screen: opened, log, told: () => readFileSync(told, "utf8").trim().split("\n") };
}

it("hands the open DRM device to the child as descriptor 3", async () => {
  plug("connected");
  const { screen, told } = open("1.22.0");
  await until(() => screen.state === "showing", "the first picture");
  const [args, device] = told();
  expect(args).toMatch(/width=640 height=480 .* kmssink sync=false fd=3 force-modesetting=true$/);
  expect(device).toBe(join(root, "dev/dri/card1"));
});

it("names the driver to an older GStreamer, and opens nothing", async () => {
  plug("connected");
  const { screen, told } = open("1.20.3");
  await until(() => screen.state === "showing", "the first picture");
  const [args, device] = told();
  expect(args).toMatch(/kmssink sync=false driver-name=virtio_gpu force-modesetting=true$/);
  expect(device).not.toBe(join(root, "dev/dri/card1"));
});

it("shows when a monitor is plugged in, ends when it is pulled out, and comes back", async () => {
  plug("disconnected");
  const { screen, log } = open("1.22.0");
  await screen.settled;
  expect(screen.fault?.code).toBe("no-monitor");
  expect(screen.counts.starts).toBe(0);
  plug("connected");
  await until(() => screen.state === "showing", "the picture");
  plug("disconnected");
  await until(() => screen.state === "waiting", "the end of the child");
  expect(screen.fault?.message).toContain("unplugged");
  expect(screen.pid).toBeUndefined();
  plug("connected");
  await until(() => screen.state === "showing", "the picture again");
  expect(screen.counts.starts).toBe(2);
  expect(log.lines.filter(({ level }) => level === "warn").length).toBeLessThanOrEqual(3);
});

it("says that another process owns the display, and tries again with growing pauses", async () => {
  plug("connected");
  const { screen, log } = open(
    "1.22.0",
    'echo "ERROR: drmModeSetPlane failed: Permission denied (-13)" >&2\nexit 1',
  );
  await screen.settled;
  expect(screen.fault).toMatchObject({
    code: "busy",
    message: expect.stringContaining("another process owns"),
  });
  await until(() => screen.counts.starts >= 3, "more tries");
  expect(log.lines).toHaveLength(1);
});

it("gives the first picture more time than the others, as GStreamer may look through its plugins first", async () => {
  plug("connected");
  const slow = 'sleep 0.8\necho "Setting pipeline to PLAYING ..."\nexec cat >/dev/null';
  const { screen } = open("1.22.0", slow, 12_000);
  await until(() => screen.state === "showing", "the first picture");
  expect(screen.counts.starts).toBe(1);
});

it("does not wait for ever for the first picture", async () => {
  plug("connected");
  const { screen } = open("1.22.0", "exec sleep 20");
  await until(() => screen.fault?.code === "stuck", "the child to be given up");
});
