// A stand-in for rpicam-vid that shows a face for some seconds, then nothing for some, by the clock; and writes down
// which of the two each frame showed.
import { openSync, readFileSync, writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

const argv = process.argv.slice(2);
const option = (name) => argv[argv.indexOf(`--${name}`) + 1];
if (argv.includes("--list-cameras")) {
  console.log("Available cameras\n-----------------\n0 : stand-in [640x480] (/base/stand-in)");
  process.exit(0);
}
const face = readFileSync(process.env.FAULTS_FACE);
const blank = Buffer.alloc(face.length, 128);
const truth = openSync(process.env.FAULTS_TRUTH, "a");
const [shown, period] = [Number(process.env.FAULTS_SHOWN), Number(process.env.FAULTS_PERIOD)];
const interval = 1000 / Number(process.env.FAULTS_RATE ?? option("framerate"));
let due = performance.now();
const out = openSync(option("output"), "w");
for (;;) {
  const at = Date.now();
  const showsFace = at % period < shown;
  const picture = showsFace ? face : blank;
  // No two pictures of a sensor are the same.
  picture[0] = (picture[0] + 1) % 256;
  for (let done = 0; done < picture.length; ) done += writeSync(out, picture, done);
  writeSync(truth, `${at} ${showsFace ? 1 : 0}\n`);
  due = Math.max(due + interval, performance.now() - interval);
  await sleep(Math.max(0, due - performance.now()));
}
