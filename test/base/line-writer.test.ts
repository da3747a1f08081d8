import { describe, expect, it } from "vitest";
import { lineWriter } from "../../src/base/line-writer.js";

/** A file that takes what `take` says of each write, or throws. */
function file(take: (call: number, length: number) => number) {
  const parts: Buffer[] = [];
  let calls = 0;
  const write = (_file: number, bytes: Buffer, offset: number): number => {
    calls += 1;
    const taken = take(calls, bytes.length - offset);
    parts.push(bytes.subarray(offset, offset + taken));
    return taken;
  };
  return {
    writer: lineWriter(9, write as never),
    text: () => Buffer.concat(parts).toString(),
    calls: () => calls,
  };
}

function failure(code: string): Error {
  return Object.assign(new Error(code), { code });
}

describe("lines that are written", () => {
  it("are whole, though the file takes them in parts", () => {
    const { writer, text } = file((_call, length) => Math.min(length, 3));
    writer.write("first line\n");
    writer.write("second — line\n");
    expect(text()).toBe("first line\nsecond — line\n");
  });

  it("are lost on a full disk, and counted once there is room", () => {
    let full = false;
    const { writer, text } = file((_call, length) => {
      if (full) throw failure("ENOSPC");
      return length;
    });
    writer.write("one\n");
    full = true;
    for (let i = 0; i < 5; i++) writer.write("lost\n");
    full = false;
    writer.write("two\n");
    writer.write("three\n");
    const [first, told = "", ...rest] = text().trim().split("\n");
    expect([first, ...rest]).toEqual(["one", "two", "three"]);
    expect(JSON.parse(told)).toMatchObject({ level: "warn", lines: 5, reason: "ENOSPC" });
  });

  it("begin on a line of their own after one that was torn", () => {
    const { writer, text } = file((call, length) => {
      if (call === 2) throw failure("ENOSPC");
      return call === 1 ? 4 : length;
    });
    writer.write("torn line\n");
    writer.write("next\n");
    const [torn, told = "", next] = text().split("\n");
    expect([torn, next]).toEqual(["torn", "next"]);
    expect(JSON.parse(told)).toMatchObject({ lines: 1 });
  });

  it("wait for a reader that is behind, though not for ever", () => {
    const soon = file((call, length) => {
      if (call < 4) throw failure("EAGAIN");
      return length;
    });
    soon.writer.write("late\n");
    expect(soon.text()).toBe("late\n");
    const never = file(() => {
      throw failure("EAGAIN");
    });
    never.writer.write("never\n");
    expect(never.text()).toBe("");
    expect(never.calls()).toBeGreaterThan(1);
  });
});
