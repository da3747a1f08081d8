// What the supervisor does about each stand-in camera, and how long until frames flow again, with the deadlines of the
// daemon itself: npx tsx test/camera/stand-ins/measure.ts [behaviour…]

import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { silentLogger } from "../../../src/base/logger.js";
import { createCamera } from "../../../src/camera/create.js";
import { createMasks } from "../../../src/camera/masks.js";
import { createSlot } from "../../../src/camera/slot.js";
import { superviseCamera } from "../../../src/camera/supervisor.js";
import { sourceOf } from "../helpers.js";

const STAND_INS = new URL("./", import.meta.url).pathname;
const BEHAVIOURS = [
  "streams",
  "stalls",
  "dies",
  "no-camera",
  "busy",
  "floods",
  "ignores-term",
  "half-a-frame",
  "never-opens",
];
const path = process.env.PATH;

async function measure(behaviour: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "emotiond-measure-"));
  process.env.PATH = `${STAND_INS}recovers${delimiter}${path}`;
  // Wrong at the first start, well at the second.
  process.env.STAND_IN_BEHAVIOURS = `${behaviour},streams`;
  process.env.STAND_IN_STARTS = join(folder, "starts");
  console.log(`\n${behaviour}`);
  const begun = performance.now();
  const tell = (what: string) =>
    console.log(`  ${((performance.now() - begun) / 1000).toFixed(2).padStart(6)} s  ${what}`);
  const log = {
    ...silentLogger,
    info: (_: object, message: string) => tell(message),
    warn: (_: object, message: string) => tell(message),
  };
  const runtimeDirectory = join(folder);
  const stop = new AbortController();
  const slot = createSlot();
  let lostAt: number | undefined;
  let backAfter: number | undefined;
  const supervisor = superviseCamera({
    camera: createCamera(sourceOf({ type: "libcamera" }), createMasks([]), { log, runtimeDirectory }),
    deliver: slot.put,
    log,
    onLost: (reason) => {
      lostAt = performance.now();
      tell(`lost: ${reason} (fps ${supervisor.health().fps})`);
    },
    onRecovered: () => {
      backAfter = (performance.now() - (lostAt ?? begun)) / 1000;
    },
  });
  const running = supervisor.run(stop.signal);
  const healthy = setTimeout(() => stop.abort(), 60_000);
  let frames = 0;
  let enough = Number.POSITIVE_INFINITY;
  for (let frame = await slot.take(stop.signal); frame !== null; frame = await slot.take(stop.signal)) {
    frames += 1;
    frame.release();
    if (backAfter !== undefined && enough > frames + 60) enough = frames + 30;
    if (["streams", "floods"].includes(behaviour) && frames === 90) break;
    if (frames >= enough) break;
  }
  clearTimeout(healthy);
  const { fps, restarts, status } = supervisor.health();
  tell(
    `${frames} frames taken, ${slot.dropped} dropped, ${status}, ${fps.toFixed(1)} fps, ${restarts} restarts`,
  );
  const asked = performance.now();
  stop.abort();
  await running;
  slot.discard();
  tell(`stopped within ${(performance.now() - asked).toFixed(0)} ms`);
  if (backAfter !== undefined)
    tell(
      `=> frames flowed again ${backAfter.toFixed(2)} s after ${lostAt === undefined ? "the start" : "the loss was known"}`,
    );
  tell(`left behind: ${(await readdir(folder)).filter((name) => name !== "starts").join(" ") || "nothing"}`);
  await rm(folder, { recursive: true });
}

for (const behaviour of process.argv.length > 2 ? process.argv.slice(2) : BEHAVIOURS)
  await measure(behaviour);
