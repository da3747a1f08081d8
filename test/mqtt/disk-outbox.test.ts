import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { waitFor } from "../../scripts/test-support/subscriber.js";
import { diskOutbox } from "../../src/mqtt/disk-outbox.js";
import type { Outbox, QueuedEvent } from "../../src/mqtt/outbox.js";
import { capturedLog, sampleEvent } from "./support/samples.js";

let folder: string;
let path: string;
let log: ReturnType<typeof capturedLog>;
const open: Outbox[] = [];
const mounts: string[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "emotiond-outbox-"));
  path = join(folder, "outbox");
  log = capturedLog();
});
afterEach(async () => {
  vi.useRealTimers();
  for (const outbox of open.splice(0)) await outbox.close(10_000);
  for (const mount of mounts.splice(0)) execFileSync("umount", ["-l", mount]);
  rmSync(folder, { recursive: true, force: true });
});

function outboxAt(changes: Partial<Parameters<typeof diskOutbox>[0]> = {}): Outbox {
  const outbox = diskOutbox({
    path,
    maxEvents: 100_000,
    maxAge: 86_400,
    diskAfter: 0.05,
    log: log.log,
    retryAfter: 300,
    ...changes,
  });
  open.push(outbox);
  outbox.start(() => {});
  return outbox;
}

const fill = (outbox: Outbox, from: number, to: number) => {
  for (let seq = from; seq <= to; seq++) outbox.add(sampleEvent(seq));
};
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

/** Takes and acknowledges until `count` have come. */
async function drain(outbox: Outbox, count: number): Promise<QueuedEvent[]> {
  const taken: QueuedEvent[] = [];
  await waitFor(() => {
    for (let one = outbox.take(); one !== undefined; one = outbox.take()) {
      taken.push(one);
      outbox.acknowledge(one);
    }
    return taken.length >= count;
  }, 15_000);
  return taken;
}
const seqs = (taken: readonly QueuedEvent[]) => taken.map((one) => one.event.seq);
/** As a power cut: the outbox is given up without a word, and another opens a copy of its folder. */
function crashCopy(): string {
  const copy = `${path}-after-crash`;
  execFileSync("cp", ["-r", path, copy]);
  return copy;
}
/** Resolves when the store's log has grown to so many events: what is written at once is there as a whole. */
const written = (events: number) => {
  const logs = () => (existsSync(path) ? readdirSync(path).filter((name) => name.endsWith(".log")) : []);
  const bytes = () => logs().reduce((sum, name) => sum + statSync(join(path, name)).size, 0);
  return waitFor(() => bytes() > events * JSON.stringify(sampleEvent(1)).length);
};
/**
 * An outbox as the delivery uses it, and what became of its events: each that is on the way follows the one before.
 *
 * @param before of an earlier run of the same outbox: what it added and acknowledged counts on.
 */
function usedOutbox(
  where: Parameters<typeof outboxAt>[0],
  before?: { added(): number; readonly acknowledged: Set<number> },
) {
  const outbox = outboxAt(where);
  let seq = before?.added() ?? 0;
  let onTheWay: QueuedEvent[] = [];
  const acknowledged = before?.acknowledged ?? new Set<number>();
  return {
    outbox,
    acknowledged,
    added: () => seq,
    missing: () => range(1, seq).filter((one) => !acknowledged.has(one)),
    add(n: number) {
      fill(outbox, seq + 1, seq + n);
      seq += n;
    },
    take(n: number) {
      for (let i = 0; i < n; i++) {
        const taken = outbox.take();
        if (taken === undefined) break;
        const last = onTheWay.at(-1);
        if (last !== undefined) expect(taken.event.seq).toBe(last.event.seq + 1);
        onTheWay.push(taken);
      }
    },
    ack(n: number) {
      for (const taken of onTheWay.splice(0, n)) {
        outbox.acknowledge(taken);
        acknowledged.add(taken.event.seq);
      }
    },
    release() {
      outbox.release();
      onTheWay = [];
    },
  };
}
/** The first that it gives, on its way from now on. */
async function waitForOne(outbox: Outbox): Promise<QueuedEvent> {
  let taken: QueuedEvent | undefined;
  await waitFor(() => {
    taken ??= outbox.take();
    return taken !== undefined;
  });
  return taken as QueuedEvent;
}
const settled = (ms = 200) => new Promise((resolve) => setTimeout(resolve, ms));

describe("disk outbox", () => {
  it("writes nothing while the broker answers in time", async () => {
    const outbox = outboxAt({ diskAfter: 0.2 });
    for (let seq = 1; seq <= 50; seq++) {
      outbox.add(sampleEvent(seq));
      const taken = outbox.take();
      if (taken) outbox.acknowledge(taken);
      await settled(10);
    }
    await settled(300);
    expect(existsSync(path)).toBe(false);
  });

  it("keeps what waits through a power cut, but for the last `diskAfter`", async () => {
    const outbox = outboxAt();
    fill(outbox, 1, 20);
    const onTheWay = [outbox.take(), outbox.take()];
    expect(onTheWay.map((taken) => taken?.event.seq)).toEqual([1, 2]);
    await written(20);
    const after = outboxAt({ path: crashCopy() });
    await waitFor(() => after.size() === 20);
    const taken = await drain(after, 20);
    expect(seqs(taken)).toEqual(range(1, 20));
    expect(taken.every((one) => one.retried)).toBe(true);
  });

  it("forgets on disk what was acknowledged", async () => {
    const outbox = outboxAt();
    fill(outbox, 1, 10);
    await settled();
    await drain(outbox, 10);
    await outbox.close(10_000);
    const next = outboxAt();
    await settled();
    expect(next.size()).toBe(0);
    expect(next.take()).toBeUndefined();
  });

  it("keeps at a clean stop what has not been written yet", async () => {
    const outbox = outboxAt({ diskAfter: 1 });
    fill(outbox, 1, 5);
    await outbox.close(10_000);
    expect(seqs(await drain(outboxAt(), 5))).toEqual(range(1, 5));
  });

  it("puts events of an earlier run before those of this one", async () => {
    const before = outboxAt();
    fill(before, 1, 700);
    await before.close(10_000);
    const outbox = outboxAt();
    fill(outbox, 701, 1000);
    expect(outbox.take()).toBeUndefined();
    expect(seqs(await drain(outbox, 1000))).toEqual(range(1, 1000));
  });

  it("holds a bounded number in memory, and gives all in order", async () => {
    const outbox = outboxAt({ memoryEvents: 100 });
    for (let from = 1; from <= 3000; from += 300) {
      fill(outbox, from, from + 299);
      await settled(80);
    }
    const taken: QueuedEvent[] = [];
    for (let one = outbox.take(); one !== undefined; one = outbox.take()) taken.push(one);
    expect(taken.length).toBeLessThan(700);
    outbox.release();
    expect(outbox.size()).toBe(3000);
    fill(outbox, 3001, 3100);
    expect(seqs(await drain(outbox, 3100))).toEqual(range(1, 3100));
    expect(outbox.dropped()).toBe(0);
  });

  it("gives the room on the disk back once a long absence of the broker is over", async () => {
    const outbox = outboxAt({ memoryEvents: 100 });
    for (let from = 1; from <= 7000; from += 500) {
      fill(outbox, from, from + 499);
      await settled(60);
    }
    await drain(outbox, 7000);
    await waitFor(() => !existsSync(path));
    fill(outbox, 7001, 7010);
    await written(10);
    expect(seqs(await drain(outboxAt({ path: crashCopy() }), 10))).toEqual(range(7001, 7010));
    expect(log.lines.filter((line) => line.level === "error")).toEqual([]);
  });

  it("drops the oldest beyond maxEvents wherever they are, and counts them", async () => {
    const outbox = outboxAt({ memoryEvents: 10, maxEvents: 200 });
    for (let from = 1; from <= 600; from += 50) {
      fill(outbox, from, from + 49);
      await settled(80);
    }
    expect([outbox.size(), outbox.dropped()]).toEqual([200, 400]);
    expect(seqs(await drain(outbox, 200))).toEqual(range(401, 600));
    await outbox.close(10_000);
    expect(outboxAt().size()).toBe(0);
  });

  it("drops what has waited too long, and says how many and why", async () => {
    let steady = 0;
    const outbox = outboxAt({ maxAge: 3600, now: () => steady });
    fill(outbox, 1, 10);
    steady += 3_599_000;
    outbox.prune();
    expect(outbox.size()).toBe(10);
    steady += 2_000;
    outbox.prune();
    expect([outbox.size(), outbox.dropped()]).toEqual([0, 10]);
    await waitFor(() => log.text().includes("mqtt.outbox.maxAge"));
    expect(log.lines.find(({ message }) => message.includes("maxAge"))).toMatchObject({
      level: "warn",
      details: { events: 10, dropped: 10 },
    });
  });

  it.each([
    ["1970-01-01T00:00:10Z", "2026-11-29T12:00:00Z"],
    ["2026-11-29T12:00:00Z", "1970-01-01T00:00:10Z"],
    ["2026-11-29T12:00:00Z", "2038-01-20T00:00:00Z"],
  ])("drops nothing when the clock goes from %s to %s, in a run or between two", async (made, later) => {
    vi.useFakeTimers({ toFake: ["Date"], now: new Date(made) });
    const outbox = outboxAt({ maxAge: 3600 });
    fill(outbox, 1, 10);
    await written(10);
    vi.setSystemTime(new Date(later));
    fill(outbox, 11, 20);
    outbox.prune();
    expect(outbox.size()).toBe(20);
    await outbox.close(10_000);
    const next = outboxAt({ maxAge: 3600 });
    await waitFor(() => next.size() === 20);
    vi.setSystemTime(new Date(made));
    next.prune();
    expect(seqs(await drain(next, 20))).toEqual(range(1, 20));
    expect([outbox.dropped(), next.dropped()]).toEqual([0, 0]);
  });

  it("counts the age of an earlier run's events from its own start", async () => {
    let steady = 0;
    const before = outboxAt({ maxAge: 3600, now: () => steady });
    fill(before, 1, 5);
    await before.close(10_000);
    steady = 5_000;
    const outbox = outboxAt({ maxAge: 3600, now: () => steady });
    await waitFor(() => outbox.size() === 5);
    const first = await waitForOne(outbox);
    expect(first.age).toBe(0);
    outbox.release();
    steady += 3_601_000;
    outbox.prune();
    expect([outbox.size(), outbox.dropped()]).toEqual([0, 5]);
  });

  it("leaves nothing of what was delivered on disk once it is empty, whatever came in between", async () => {
    const trace = "SECRET-FACE";
    const marked = (outbox: Outbox, from: number, to: number) => {
      for (let seq = from; seq <= to; seq++) outbox.add(sampleEvent(seq, { device: trace }));
    };
    const found = () => spawnSync("grep", ["-rl", trace, folder], { encoding: "utf8" }).stdout;
    const outbox = outboxAt({ memoryEvents: 20 });
    marked(outbox, 1, 300);
    await written(300);
    expect(found()).not.toBe("");
    await drain(outbox, 300);
    await waitFor(() => found() === "");
    expect(existsSync(path)).toBe(false);
    // Again, some on their way at a restart, and the rest delivered by a stop.
    marked(outbox, 301, 310);
    await written(10);
    outbox.take();
    await outbox.close(10_000);
    expect(found()).not.toBe("");
    const next = outboxAt();
    await drain(next, 10);
    await next.close(10_000);
    expect(found()).toBe("");
    // What was repaired leaves its damaged files in the folder; what could not be, beside it.
    const damaged = outboxAt();
    marked(damaged, 311, 320);
    await damaged.close(10_000);
    execFileSync("cp", ["-r", path, `${path}.damaged`]);
    for (const name of readdirSync(path)) if (/^MANIFEST/.test(name)) truncateSync(join(path, name), 3);
    const repaired = outboxAt();
    await waitFor(() => log.text().includes("has been repaired"));
    await drain(repaired, 10);
    await waitFor(() => found() === "");
    // What a crash has left while the store was being removed.
    const crashed = outboxAt();
    marked(crashed, 321, 330);
    await crashed.close(10_000);
    rmSync(join(path, "CURRENT"));
    const last = outboxAt();
    await waitFor(() => {
      for (let one = last.take(); one !== undefined; one = last.take()) last.acknowledge(one);
      return found() === "";
    });
  });

  it("removes what was dropped, too", async () => {
    const outbox = outboxAt({ maxEvents: 5 });
    fill(outbox, 1, 5);
    await written(5);
    const taken = range(1, 5).map(() => outbox.take());
    for (const one of taken) if (one !== undefined) outbox.discard(one);
    await waitFor(() => !existsSync(path));
    expect(outbox.dropped()).toBe(5);
  });

  it("is for the daemon's user alone, also where an earlier version has left it open to all", async () => {
    const mode = (file: string) => statSync(file).mode & 0o777;
    const outbox = outboxAt();
    fill(outbox, 1, 3);
    await written(3);
    expect(mode(path)).toBe(0o700);
    await outbox.close(10_000);
    chmodSync(path, 0o755);
    for (const name of readdirSync(path)) chmodSync(join(path, name), 0o644);
    const before = readdirSync(path).filter((name) => /^LOCK$|\.log$/.test(name));
    const next = outboxAt();
    await waitForOne(next);
    expect(mode(path)).toBe(0o700);
    for (const name of before) if (existsSync(join(path, name))) expect(mode(join(path, name))).toBe(0o600);
  });

  it("leaves a store that another process has opened meanwhile", async () => {
    const first = outboxAt();
    fill(first, 1, 3);
    await written(3);
    await drain(first, 3);
    await waitFor(() => !existsSync(path));
    const second = outboxAt();
    fill(second, 11, 13);
    await written(3);
    fill(first, 4, 6);
    await waitFor(() => log.text().includes("in use by another process"));
    await settled(700);
    expect(seqs(await drain(outboxAt({ path: crashCopy() }), 3))).toEqual([11, 12, 13]);
  });

  it("goes on after a torn log, and after a damaged table, with a clear line", async () => {
    const outbox = outboxAt({ memoryEvents: 10 });
    for (let from = 1; from <= 4000; from += 500) {
      fill(outbox, from, from + 499);
      await settled(80);
    }
    await outbox.close(10_000);
    const file = (pattern: RegExp) => join(path, readdirSync(path).find((name) => pattern.test(name)) ?? "");
    truncateSync(file(/\.log$/), 2000);
    const torn = outboxAt({ memoryEvents: 10 });
    const some = await drain(torn, 1000);
    expect(seqs(some)).toEqual([...seqs(some)].sort((a, b) => a - b));
    torn.release();
    await torn.close(10_000);

    const table = file(/\.ldb$/);
    const bytes = readFileSync(table);
    for (let at = 0; at < bytes.length; at += 50) bytes[at] = (bytes[at] ?? 0) ^ 0x55;
    writeFileSync(table, bytes);
    const damaged = outboxAt();
    fill(damaged, 5001, 5003);
    const rest: number[] = [];
    await waitFor(() => {
      for (let one = damaged.take(); one !== undefined; one = damaged.take()) {
        rest.push(one.event.seq);
        damaged.acknowledge(one);
      }
      return damaged.size() === 0;
    });
    expect(rest.slice(-3)).toEqual([5001, 5002, 5003]);
    expect(rest).toEqual([...rest].sort((a, b) => a - b));
    expect(log.text()).toMatch(/damaged/);
  });

  it("goes on from memory where the path is no folder", async () => {
    writeFileSync(path, "a file");
    const outbox = outboxAt();
    fill(outbox, 1, 5);
    await waitFor(() => log.lines.some((line) => line.level === "error"));
    await settled();
    expect(log.lines.filter((line) => line.level === "error")).toHaveLength(1);
    expect(log.text()).toMatch(
      /is not a folder: correct mqtt.outbox.path; until then events wait in memory alone/,
    );
    expect(seqs(await drain(outbox, 5))).toEqual(range(1, 5));
  });

  it("goes on from memory while another process has the store, and says so once", async () => {
    const first = outboxAt();
    fill(first, 1, 3);
    await settled();
    const second = outboxAt();
    fill(second, 11, 13);
    expect(seqs(await drain(second, 3))).toEqual([11, 12, 13]);
    await settled(700);
    expect(log.lines.filter((line) => line.level === "error")).toHaveLength(1);
    expect(log.text()).toMatch(/in use by another process/);
  });

  it("survives a full disk, still reads it, and uses it again when there is room", async (context) => {
    mkdirSync(path);
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", path], { stdio: "ignore" });
    } catch {
      context.skip("mounting a small file system takes root");
    }
    mounts.push(path);
    const outbox = outboxAt({ memoryEvents: 50 });
    for (let from = 1; from <= 3000; from += 100) {
      fill(outbox, from, from + 99);
      await settled(60);
    }
    expect(log.text()).toMatch(/is full: make room/);
    expect(outbox.size()).toBe(3000);
    expect(seqs(await drain(outbox, 3000))).toEqual(range(1, 3000));
    await waitFor(() => log.text().includes("the disk works again"));
    fill(outbox, 3001, 3010);
    await settled();
    const copy = join(folder, "copy");
    execFileSync("cp", ["-r", path, copy]);
    expect(seqs(await drain(outboxAt({ path: copy }), 10)).slice(-10)).toEqual(range(3001, 3010));
  });

  it("survives a disk that becomes read-only", async (context) => {
    mkdirSync(path);
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=4m", "tmpfs", path], { stdio: "ignore" });
    } catch {
      context.skip("mounting a small file system takes root");
    }
    mounts.push(path);
    execFileSync("mount", ["-o", "remount,ro", path]);
    const outbox = outboxAt();
    fill(outbox, 1, 50);
    await waitFor(() => log.text().includes("read-only disk"));
    expect(seqs(await drain(outbox, 50))).toEqual(range(1, 50));
  });

  it("loses nothing that was written and keeps the order, whatever happens in between", async () => {
    const step = fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({ do: fc.constant("add" as const), n: fc.integer({ min: 1, max: 40 }) }),
      },
      {
        weight: 3,
        arbitrary: fc.record({ do: fc.constant("take" as const), n: fc.integer({ min: 1, max: 30 }) }),
      },
      {
        weight: 3,
        arbitrary: fc.record({ do: fc.constant("ack" as const), n: fc.integer({ min: 1, max: 30 }) }),
      },
      { weight: 2, arbitrary: fc.record({ do: fc.constant("release" as const), n: fc.constant(0) }) },
      {
        weight: 2,
        arbitrary: fc.record({ do: fc.constant("wait" as const), n: fc.integer({ min: 1, max: 60 }) }),
      },
      { weight: 1, arbitrary: fc.record({ do: fc.constant("restart" as const), n: fc.constant(0) }) },
    );
    let round = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30 }), async (steps) => {
        round += 1;
        const where = { path: join(folder, `round-${round}`), memoryEvents: 20, diskAfter: 0.02 };
        let use = usedOutbox(where);
        for (const { do: what, n } of steps) {
          if (what === "add" || what === "take" || what === "ack" || what === "release") use[what](n);
          else if (what === "wait") await settled(n);
          else {
            await use.outbox.close(10_000);
            use = usedOutbox(where, use);
          }
        }
        const { outbox } = use;
        outbox.release();
        const missing = use.missing();
        const rest = seqs(await drain(outbox, missing.length));
        expect(rest).toEqual([...rest].sort((a, b) => a - b));
        expect(new Set(rest)).toEqual(new Set([...rest, ...missing]));
        expect(outbox.dropped()).toBe(0);
        await outbox.close(10_000);
      }),
      { numRuns: Number(process.env.OUTBOX_RUNS ?? 30) },
    );
  }, 120_000);

  it("loses nothing and keeps the order while a full disk comes and goes", async (context) => {
    mkdirSync(path);
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", path], { stdio: "ignore" });
    } catch {
      context.skip("mounting a small file system takes root");
    }
    mounts.push(path);
    const some = (what: "add" | "take" | "ack" | "wait", max: number) =>
      fc.record({ do: fc.constant(what), n: fc.integer({ min: 1, max }) });
    const once = (what: "release" | "fill" | "clear") =>
      fc.record({ do: fc.constant(what), n: fc.constant(0) });
    const step = fc.oneof(
      { weight: 4, arbitrary: some("add", 60) },
      { weight: 3, arbitrary: some("take", 40) },
      { weight: 3, arbitrary: some("ack", 40) },
      { weight: 4, arbitrary: some("wait", 120) },
      { weight: 2, arbitrary: once("release") },
      { weight: 2, arbitrary: once("fill") },
      { weight: 2, arbitrary: once("clear") },
    );
    const ballast = join(path, "ballast");
    let round = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 40 }), async (steps) => {
        round += 1;
        const where = {
          path: join(path, `round-${round}`),
          memoryEvents: 20,
          diskAfter: 0.02,
          retryAfter: 50,
        };
        const use = usedOutbox(where);
        for (const { do: what, n } of steps) {
          if (what === "add" || what === "take" || what === "ack" || what === "release") use[what](n);
          else if (what === "fill") {
            spawnSync("dd", ["if=/dev/zero", `of=${ballast}`, "bs=16k"], { stdio: "ignore" });
          } else if (what === "clear") rmSync(ballast, { force: true });
          else await settled(n);
        }
        const { outbox } = use;
        outbox.release();
        rmSync(ballast, { force: true });
        const missing = use.missing();
        expect(seqs(await drain(outbox, missing.length))).toEqual(missing);
        expect([outbox.size(), outbox.dropped()]).toEqual([0, 0]);
        await outbox.close(10_000);
        rmSync(where.path, { recursive: true, force: true });
      }),
      { numRuns: Number(process.env.OUTBOX_RUNS ?? 10) },
    );
  }, 120_000);
});
