import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createCamera } from "../../src/camera/create.js";
import { createMasks } from "../../src/camera/masks.js";
import { superviseCamera } from "../../src/camera/supervisor.js";
import { listeningLog, sourceOf } from "./helpers.js";

const STAND_INS = new URL("./stand-ins/", import.meta.url).pathname;
/** Short deadlines; the daemon's own are in stand-ins/measure.ts. */
const TIMES = { firstFrame: 2_000, nextFrame: 1_000, backoff: 100 };

let folder = "";
const environment = { ...process.env };

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "emotiond-test-"));
  process.env.PATH = `${STAND_INS}recovers${delimiter}${environment.PATH}`;
  process.env.STAND_IN_STARTS = join(folder, "starts");
});

afterEach(async () => {
  process.env.PATH = environment.PATH;
  delete process.env.STAND_IN_STARTS;
  delete process.env.STAND_IN_BEHAVIOURS;
  expect(await readdir(folder)).toEqual(["starts"]);
  await rm(folder, { recursive: true });
});

describe("a Pi camera that goes wrong once", () => {
  it.each([
    {
      behaviour: "stalls",
      lost: /^no frame for 1 s$/,
      said: /no frame for 1 s.*Dequeue timer has expired/,
    },
    { behaviour: "ignores-term", lost: /^no frame for 1 s$/, said: /no frame for 1 s/ },
    { behaviour: "half-a-frame", lost: /ended after 10 frames/, said: /frontend has timed out/ },
    { behaviour: "ends", lost: /ended after 60 frames/, said: /ended after 60 frames/ },
    { behaviour: "dies", lost: null, said: /ended before its first frame.*failed to import fd/ },
    { behaviour: "never-opens", lost: null, said: /no frame for 2 s/ },
  ])("$behaviour: is started again, and its frames' numbers go on", async ({ behaviour, lost, said }) => {
    process.env.STAND_IN_BEHAVIOURS = `${behaviour},streams`;
    const log = listeningLog();
    const heard: string[] = [];
    const numbers: number[] = [];
    const stop = new AbortController();
    let recovered = false;
    let after = 0;
    const supervisor = superviseCamera({
      camera: createCamera(
        sourceOf({ type: "libcamera", width: 128, height: 96, framerate: 60 }),
        createMasks([]),
        {
          runtimeDirectory: folder,
        },
      ),
      deliver: async (frame) => {
        numbers.push(frame.number);
        frame.release();
        if (recovered && ++after === 20) stop.abort();
      },
      times: TIMES,
      log,
      onLost: (reason) => heard.push(reason),
      onRecovered: () => {
        recovered = true;
      },
    });
    expect(await supervisor.run(stop.signal)).toBe("stopped");
    expect(supervisor.health().restarts).toBe(1);
    expect(heard).toHaveLength(lost === null ? 0 : 1);
    if (lost !== null) expect(heard[0]).toMatch(lost);
    expect(log.warnings[0]).toMatch(said);
    expect(numbers).toEqual(numbers.map((_, index) => index + 1));
  });
});
