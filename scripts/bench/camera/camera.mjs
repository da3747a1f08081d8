// A stand-in for rpicam-vid: plays the frames of $BENCH_FRAMES (planar YUV 4:2:0, one after another) at the rate that
// it is asked for, forth and back, so that nobody in them jumps.
import { openSync, readFileSync, writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

const argv = process.argv.slice(2);
const option = (name) => argv[argv.indexOf(`--${name}`) + 1];
if (argv.includes("--list-cameras")) {
  console.log("Available cameras\n-----------------\n0 : stand-in [640x480] (/base/stand-in)");
  process.exit(0);
}
const frameBytes = (Number(option("width")) * Number(option("height")) * 3) / 2;
const film = readFileSync(process.env.BENCH_FRAMES);
const count = Math.floor(film.length / frameBytes);
const turn = Math.max(1, 2 * (count - 1));
const interval = 1000 / Number(option("framerate"));
const out = openSync(option("output"), "w");
const start = performance.now();
for (let shown = 0; ; shown++) {
  await sleep(Math.max(0, start + shown * interval - performance.now()));
  const step = shown % turn;
  const index = step < count ? step : turn - step;
  const frame = film.subarray(index * frameBytes, (index + 1) * frameBytes);
  for (let done = 0; done < frameBytes; ) done += writeSync(out, frame, done);
}
