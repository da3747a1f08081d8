import { expect, it } from "vitest";
import { fitParagraph } from "../../src/display/draw/paragraph.js";

/** Each letter is as wide as a capital is high. */
const measure = (text: string, capital: number) => text.length * capital;
const set = (text: string) => fitParagraph(text, 20, 600, measure);

it("keeps a short text on one line, and a longer one on up to three, in the size that was asked for", () => {
  expect(set("/dev/video0 is gone, retrying")).toEqual({
    lines: ["/dev/video0 is gone, retrying"],
    capital: 20,
  });
  expect(set("/dev/video0 does not open: another program may be using it, retrying")).toEqual({
    lines: ["/dev/video0 does not open:", "another program may be using", "it, retrying"],
    capital: 20,
  });
  expect(set("")).toEqual({ lines: [], capital: 20 });
});

it("writes a long text smaller, and loses no word of it", () => {
  const text = `${"the cable is out and ".repeat(7)}so on, retrying`;
  const { lines, capital } = set(text);
  expect(capital).toBeLessThan(20);
  expect(lines.join(" ")).toBe(text);
  for (const line of lines) expect(measure(line, capital)).toBeLessThanOrEqual(600);
});

it("breaks an address that is wider than a line, at one of its signs, and loses no letter of it", () => {
  const { lines, capital } = set("rtsp://camera-front-door.lan:8554/streams/main does not answer");
  expect(capital).toBe(20);
  expect(lines).toEqual(["rtsp://camera-front-door.lan:", "8554/streams/main does not", "answer"]);
  expect(set("x".repeat(70)).lines).toEqual(["x".repeat(30), "x".repeat(30), "x".repeat(10)]);
});

it("cuts what fits in no size, but not the end that says what goes on", () => {
  const { lines, capital } = set(`${"word ".repeat(100)}end, retrying`);
  expect(lines).toHaveLength(5);
  expect(lines.at(-1)).toMatch(/\.\., retrying$/);
  for (const line of lines) expect(measure(line, capital)).toBeLessThanOrEqual(600);
});
