import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { pauseRecord } from "../../src/system/pause-record.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "emotiond-pause-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("the record of a pause", () => {
  it("is found by the next start until it is taken back, and is for the daemon's user alone", async () => {
    const state = join(folder, "state");
    const record = pauseRecord(state);
    expect(await record.read()).toEqual({ paused: false, doubt: null });
    expect(await record.keep(true)).toBeNull();
    expect(readdirSync(state)).toEqual(["paused"]);
    expect(statSync(state).mode & 0o777).toBe(0o700);
    expect(statSync(join(state, "paused")).mode & 0o777).toBe(0o600);
    expect(await pauseRecord(state).read()).toEqual({ paused: true, doubt: null });
    expect(await record.keep(false)).toBeNull();
    expect(readdirSync(state)).toEqual([]);
    expect(await pauseRecord(state).read()).toEqual({ paused: false, doubt: null });
  });

  it("keeps the newest of commands that come at once", async () => {
    const record = pauseRecord(folder);
    await Promise.all([record.keep(true), record.keep(false), record.keep(true)]);
    expect((await record.read()).paused).toBe(true);
    await Promise.all([record.keep(false), record.keep(true), record.keep(false)]);
    expect((await record.read()).paused).toBe(false);
  });

  it.each([0, 1, 9, 12])("counts as paused when it was cut to %i bytes, and says so", async (bytes) => {
    await pauseRecord(folder).keep(true);
    truncateSync(join(folder, "paused"), bytes);
    expect(await pauseRecord(folder).read()).toEqual({
      paused: true,
      doubt: expect.stringContaining("is damaged"),
    });
    expect(await pauseRecord(folder).keep(false)).toBeNull();
    expect((await pauseRecord(folder).read()).paused).toBe(false);
  });

  it.each(["\0".repeat(60), "null", "[]", '{"paused":false}', "\ufffd{"])(
    "counts as paused when it holds %j",
    async (text) => {
      writeFileSync(join(folder, "paused"), text);
      expect(await pauseRecord(folder).read()).toMatchObject({ paused: true, doubt: expect.any(String) });
    },
  );

  it("counts as paused when it was not finished, or cannot be read", async () => {
    writeFileSync(join(folder, "paused.new"), "");
    expect(await pauseRecord(folder).read()).toMatchObject({
      paused: true,
      doubt: expect.stringContaining("was not finished"),
    });
    await pauseRecord(folder).keep(false);
    expect(existsSync(join(folder, "paused.new"))).toBe(false);
    mkdirSync(join(folder, "paused"));
    expect(await pauseRecord(folder).read()).toMatchObject({
      paused: true,
      doubt: expect.stringContaining("cannot be read"),
    });
  });

  it("says what is wrong where it cannot be kept", async () => {
    writeFileSync(join(folder, "file"), "");
    expect(await pauseRecord(join(folder, "file")).keep(true)).toContain(join(folder, "file", "paused"));
  });
});
