import { describe, expect, it } from "vitest";
import type { Frame } from "../src/camera/frame.js";
import { createSnapshots, type SnapshotOptions } from "../src/daemon/snapshots.js";
import { SearchError } from "../src/vision/thorough-search.js";
import { frameOf, sceneWith } from "./display/fixtures.js";

const JPEG = Buffer.from("a picture");
const scene = sceneWith([]);

function snapshots(changes: Partial<SnapshotOptions> = {}) {
  const faults: unknown[] = [];
  const made = createSnapshots({
    allowed: () => true,
    paused: () => false,
    render: () => Promise.resolve(JPEG),
    onFault: (error) => faults.push(error),
    ...changes,
  });
  return { ...made, faults };
}

/** A render that goes on until it is told to end, or to stop. */
function slowRender() {
  const begun: { frame: Frame; finish: () => void }[] = [];
  const render: SnapshotOptions["render"] = (frame, _scene, signal) =>
    new Promise((resolve, reject) => {
      begun.push({ frame, finish: () => resolve(JPEG) });
      const stop = () => reject(new SearchError("the search for faces took too long"));
      signal.addEventListener("abort", stop, { once: true });
    });
  return { render, begun };
}

async function offer(to: ReturnType<typeof snapshots>): Promise<void> {
  const { frame } = frameOf(64, 48);
  await to.answer(frame, scene);
  // As the pipeline does.
  frame.release();
}

describe("snapshots", () => {
  it("answers everybody who waits with the picture of one frame, and the frame is free at once", async () => {
    const slow = slowRender();
    const taken = snapshots(slow);
    const answers = Promise.all([taken.take(), taken.take()]);
    expect(taken.wanted()).toBe(true);
    await offer(taken);
    expect(taken.wanted()).toBe(false);
    const kept = slow.begun[0]?.frame;
    expect((await kept?.picture())?.cols).toBe(64);
    expect(kept?.grey.rows).toBe(48);
    slow.begun[0]?.finish();
    expect(await answers).toEqual([
      { ok: true, jpeg: JPEG },
      { ok: true, jpeg: JPEG },
    ]);
  });

  it("keeps who asks meanwhile for a later frame", async () => {
    const slow = slowRender();
    const taken = snapshots(slow);
    const first = taken.take();
    await offer(taken);
    const second = taken.take();
    expect(taken.wanted()).toBe(false);
    await offer(taken);
    expect(slow.begun).toHaveLength(1);
    slow.begun[0]?.finish();
    await first;
    await taken.close("over");
    expect(await second).toEqual({ ok: false, error: "over" });
  });

  it("refuses a picture whose search took too long: it is not sent clear", async () => {
    const taken = snapshots({ ...slowRender(), limit: 30 });
    const answer = taken.take();
    await offer(taken);
    expect(await answer).toEqual({
      ok: false,
      error: "the search for faces took too long: no picture is sent",
    });
    expect(taken.faults).toEqual([]);
  });

  it("refuses a picture whose search failed, and tells the fault", async () => {
    const fault = new Error("OpenCV: out of memory");
    const taken = snapshots({ render: () => Promise.reject(fault) });
    const answer = taken.take();
    await offer(taken);
    expect(await answer).toEqual({ ok: false, error: "the picture could not be made" });
    expect(taken.faults).toEqual([fault]);
  });

  it("sends nothing that is still being made when it is refused: by a pause, a reload, a stop", async () => {
    const slow = slowRender();
    const taken = snapshots(slow);
    const answer = taken.take();
    await offer(taken);
    taken.refuse("emotiond was paused");
    slow.begun[0]?.finish();
    expect(await answer).toEqual({ ok: false, error: "emotiond was paused" });
    await taken.close("over");
  });

  it("refuses at once while paused: no frame will come", async () => {
    const taken = snapshots({ paused: () => true });
    const answer = await Promise.race([taken.take(), new Promise((resolve) => setImmediate(resolve))]);
    expect(answer).toEqual({ ok: false, error: "emotiond is paused: resume it for a snapshot" });
    expect(taken.wanted()).toBe(false);
    const off = snapshots({ paused: () => true, allowed: () => false });
    expect(await off.take()).toEqual({ ok: false, error: expect.stringContaining("privacy.snapshots") });
  });

  it("says so when no frame comes", async () => {
    expect(await snapshots().take()).toEqual({ ok: false, error: expect.stringContaining("no frame came") });
  });
});
