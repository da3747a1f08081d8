// A stand-in for rpicam-vid: frames of a film, to its end and back again, so that nobody jumps. The film keeps its own
// pace: asked for more frames a second than it has, the camera takes some of them twice.
// It writes down when each frame was taken, which is before the first byte of it is written.
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

const argv = process.argv.slice(2);
const option = (name) => argv[argv.indexOf(`--${name}`) + 1];
if (argv.includes("--list-cameras")) {
  console.log("Available cameras\n-----------------\n0 : stand-in [640x480] (/base/stand-in)");
  process.exit(0);
}
const size = (Number(option("width")) * Number(option("height")) * 3) / 2;
const film = readFileSync(process.env.BENCH_CAMERA_FILM ?? "");
const log = openSync(process.env.BENCH_CAMERA_LOG ?? "", "a");
const filmRate = Number(process.env.BENCH_CAMERA_FILM_RATE);
const last = film.length / size - 1;
const interval = 1000 / Number(option("framerate"));
const out = openSync(option("output"), "w");
process.once("SIGTERM", () => {
  closeSync(log);
  process.exit(0);
});
let due = performance.now();
for (let number = 1; ; number++) {
  const shown = Math.floor(((number - 1) * interval * filmRate) / 1000 + 1e-6);
  const turn = last === 0 ? 0 : shown % (2 * last);
  const index = turn <= last ? turn : 2 * last - turn;
  const frame = film.subarray(index * size, (index + 1) * size);
  writeSync(log, `${number} ${Date.now()}\n`);
  for (let done = 0; done < size; ) done += writeSync(out, frame, done);
  due = Math.max(due + interval, performance.now() - interval);
  await sleep(Math.max(0, due - performance.now()));
}
