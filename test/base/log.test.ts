import { describe, expect, it } from "vitest";
import type { Clock } from "../../src/base/collapse.js";
import { createLogger, type Level, withPriority } from "../../src/base/log.js";

const stopped: Clock = { now: () => 0, after: () => {} };

function logInto(lines: string[], level: Level = "info") {
  return createLogger(level, { write: (line: string) => void lines.push(line) }, stopped);
}

describe("the log", () => {
  it("is one JSON object a line, with the level as a word and the time in UTC", () => {
    const lines: string[] = [];
    logInto(lines).info({ fps: 12 }, "camera running");
    expect(lines).toHaveLength(1);
    const entry: unknown = JSON.parse(lines[0] ?? "");
    expect(entry).toEqual({
      level: "info",
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      fps: 12,
      msg: "camera running",
    });
  });

  it("leaves out what is under its level", () => {
    const lines: string[] = [];
    logInto(lines, "warn").info("nothing to see");
    expect(lines).toEqual([]);
  });

  it("collapses a repeated message whose figures differ, and says how many it stands for", () => {
    const lines: string[] = [];
    const logger = logInto(lines);
    for (let frame = 0; frame < 5; frame++) logger.warn({ frame }, "frame dropped");
    logger.flush();
    expect(lines.map((line) => JSON.parse(line).frame)).toEqual([0, 4]);
    expect(JSON.parse(lines[1] ?? "").times).toBe(4);
  });

  it("keeps apart what differs in a word, in its level, in its error or in its part of the program", () => {
    const lines: string[] = [];
    const logger = logInto(lines);
    logger.info({ track: "A" }, "new face");
    logger.info({ track: "B" }, "new face");
    logger.warn({ track: "A" }, "new face");
    logger.warn({ err: new Error("no such device") }, "camera failed");
    logger.warn({ err: new Error("busy") }, "camera failed");
    logger.child({ part: "mqtt" }).info("started");
    logger.child({ part: "camera" }).info("started");
    expect(lines).toHaveLength(7);
  });

  it.each([
    ["a text", (log: ReturnType<typeof logInto>) => log.warn("lost %d of %d", 1, 2), "lost 1 of 2"],
    ["an error", (log: ReturnType<typeof logInto>) => log.error(new Error("gone")), "gone"],
  ])("counts %s without an object too", (_what, write, text) => {
    const lines: string[] = [];
    const logger = logInto(lines);
    for (let i = 0; i < 3; i++) write(logger);
    logger.flush();
    expect(lines.map((line) => JSON.parse(line).msg)).toEqual([text, text]);
    expect(JSON.parse(lines[1] ?? "").times).toBe(2);
  });
});

it("gives the journal each line's priority", () => {
  const lines: string[] = [];
  const logger = createLogger(
    "debug",
    withPriority({ write: (line: string) => void lines.push(line.slice(0, 4)) }),
    stopped,
  );
  logger.debug("a");
  logger.info("b");
  logger.warn("c");
  logger.error("d");
  expect(lines).toEqual(["<7>{", "<6>{", "<4>{", "<3>{"]);
});
