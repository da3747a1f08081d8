// A stand-in for rpicam-vid: takes its options, and writes planar YUV 4:2:0 to --output. What it does wrong is its
// first argument; "stalls,streams" stalls at the first start and streams at each later one, which it counts in
// the file $STAND_IN_STARTS.
import { closeSync, existsSync, openSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

const [behaviours = "streams", ...argv] = process.argv.slice(2);
const option = (name) => {
  const at = argv.indexOf(`--${name}`);
  return at < 0 ? undefined : argv[at + 1];
};

function startNumber() {
  const file = process.env.STAND_IN_STARTS;
  if (file === undefined) return 0;
  const starts = existsSync(file) ? Number(readFileSync(file, "utf8")) : 0;
  writeFileSync(file, String(starts + 1));
  return starts;
}

const all = behaviours.split(",");
const behaviour = all[Math.min(startNumber(), all.length - 1)];

if (argv.includes("--list-cameras")) {
  console.log(
    behaviour === "no-camera"
      ? "No cameras available!"
      : "Available cameras\n-----------------\n0 : imx708_wide [4608x2592 10-bit RGGB] (/base/soc/i2c0mux/i2c@1/imx708@1a)",
  );
  process.exit(0);
}

if (option("codec") !== "yuv420" || option("timeout") !== "0" || option("verbose") !== "0") {
  console.error(`ERROR: *** unexpected options: ${argv.join(" ")} ***`);
  process.exit(255);
}

if (behaviour === "dies") {
  console.error("ERROR: *** failed to import fd 27 ***");
  process.exit(255);
}
if (behaviour === "no-camera") {
  console.error(
    "[0:22:13.1] INFO Camera camera_manager.cpp:297 libcamera v0.3.2\nERROR: *** no cameras available ***",
  );
  process.exit(255);
}
if (behaviour === "busy") {
  console.error(
    "ERROR Camera camera.cpp:1013 Pipeline handler in use by another process\nERROR: *** failed to acquire camera ***",
  );
  process.exit(255);
}
if (behaviour === "ignores-term") process.on("SIGTERM", () => undefined);
if (behaviour === "never-opens") {
  await sleep(600_000);
  process.exit(0);
}

const width = Number(option("width"));
const height = Number(option("height"));
const interval = 1000 / Number(option("framerate"));
const out = openSync(option("output"), "w");

const picture = Buffer.alloc((width * height * 3) / 2, 128);
const write = (bytes) => {
  for (let at = 0; at < bytes.length; ) at += writeSync(out, bytes, at);
};

const noise = Buffer.from(`${"#1 (30.00 fps) exp 33228.00 ag 8.00 dg 1.00\n".repeat(1500)}`);
const begun = performance.now();
for (let number = 0; ; number++) {
  if (behaviour === "stalls" && number === 10) {
    console.error(
      "[0:01:02.3] [1234]  WARN V4L2 v4l2_videodevice.cpp:2095 /dev/video0[13:cap]: Dequeue timer has expired!",
    );
    await sleep(600_000);
  }
  // What rpicam-vid does about a cable that has come loose.
  while (behaviour === "loose-cable" && number === 10) {
    console.error("ERROR: Device timeout detected, attempting a restart!!!");
    await sleep(200);
  }
  if (behaviour === "ignores-term" && number === 10) await sleep(600_000);
  if (behaviour === "half-a-frame" && number === 10) {
    write(picture.subarray(0, picture.length >> 1));
    closeSync(out);
    console.error("ERROR: *** camera frontend has timed out ***");
    process.exit(255);
  }
  if (behaviour === "ends" && number === 60) break;
  // 64 KiB of words a frame: 1 MiB, at which exec would kill it, after 16 frames.
  if (behaviour === "floods") writeSync(2, noise);
  if (behaviour !== "freezes" || number < 10) picture.fill(number % 256, 0, width * height);
  write(picture);
  await sleep(Math.max(0, begun + (number + 1) * interval - performance.now()));
}
closeSync(out);
