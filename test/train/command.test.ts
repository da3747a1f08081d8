import { describe, expect, test } from "vitest";
import { parseCommand, UsageError } from "../../scripts/train/command.js";
import { learningRate } from "../../scripts/train/optimizer-schedule.js";
import { duration } from "../../scripts/train/progress.js";

describe("the command line of npm run train", () => {
  test("has sensible defaults", () => {
    const command = parseCommand(["--data", "fer2013.csv"]);
    expect(command).toMatchObject({
      data: [{ path: "fer2013.csv", times: 1 }],
      preset: "edge",
      out: "models/emotion",
      resume: false,
      seed: 1,
    });
    expect(command.work).toMatch(/emotiond\/training\/edge$/);
    expect(command.epochs).toBeUndefined();
    expect(command.teachers).toEqual([]);
  });

  test("takes more than one teacher", () => {
    const { teachers } = parseCommand(["--data", "x", "--teacher", "one", "--teacher", "two"]);
    expect(teachers).toEqual(["one", "two"]);
  });

  test("takes more than one data set, each with how often an epoch shows it", () => {
    const { data } = parseCommand(["--data", "fer.csv@0.7", "--data", "faces@home", "--data", "a@b@2"]);
    expect(data).toEqual([
      { path: "fer.csv", times: 0.7 },
      { path: "faces@home", times: 1 },
      { path: "a@b", times: 2 },
    ]);
  });

  test.each([
    [[], /--data FILE is missing/],
    [["--data", "x@0"], /--data x@0: times must be more than 0/],
    [["--data", "x", "--epochs", "0"], /--epochs 0 is out of range/],
    [["--data", "x", "--epochs", "many"], /--epochs many is out of range/],
    [["--data", "x", "--learning-rate", "2"], /--learning-rate 2 is out of range/],
    [["--data", "x", "--colour"], /--colour/],
    [["--data", "x", "--model-version", "v2"], /--model-version v2 must be three numbers/],
    [["--data", "x", "--hours", "1", "--epochs", "2"], /--hours and --epochs do not go together/],
    [["--data", "x", "--export-only", "--teacher", "y"], /--export-only and --teacher do not go together/],
    [["--data", "x", "--preset", "seed", "--init", "y"], /--init is not for --preset seed/],
  ])("refuses %j and shows the usage", (args, reason) => {
    expect(() => parseCommand(args)).toThrow(UsageError);
    expect(() => parseCommand(args)).toThrow(reason);
    expect(() => parseCommand(args)).toThrow(/npm run train -- --data FILE \[options\]/);
  });
});

describe("the learning rate", () => {
  const rates = Array.from({ length: 100 }, (_, step) => learningRate((step + 1) / 100, 0.1, 0.1));

  test("climbs to its peak in the warm-up, then falls to almost nothing", () => {
    expect(rates[0]).toBeCloseTo(0.01);
    expect(Math.max(...rates)).toBeCloseTo(0.1);
    expect(rates.indexOf(Math.max(...rates))).toBe(9);
    for (let step = 11; step < 100; step++)
      expect(rates[step] as number).toBeLessThan(rates[step - 1] as number);
    expect(rates[99] as number).toBeLessThan(1e-4);
  });
});

test.each([
  [0, "0s"],
  [61_000, "1m01s"],
  [3_720_000, "1h02m"],
])("%d ms is written %s", (milliseconds, text) => {
  expect(duration(milliseconds)).toBe(text);
});
