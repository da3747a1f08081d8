import { describe, expect, it } from "vitest";
import { barChart } from "../../scripts/bench/peers/bars.js";
import { type BenchClip, placedBox, placement } from "../../scripts/bench/peers/clips.js";
import { placeOf } from "../../scripts/bench/peers/crowd.js";
import { entries } from "../../scripts/bench/peers/entries.js";
import { figuresOf, percentile } from "../../scripts/bench/peers/figures.js";
import { decades, lineChart } from "../../scripts/bench/peers/lines.js";
import { framesSeen } from "../../scripts/bench/peers/live.js";
import { parseReport, serialOf } from "../../scripts/bench/peers/protocol.js";
import { markdownTable, short } from "../../scripts/bench/peers/table.js";

const box = { x: 10, y: 20, width: 30, height: 40 };

describe("the protocol", () => {
  it("takes both kinds of report", () => {
    expect(parseReport('{"ready":true,"cpuMs":12.5}')).toEqual({ ready: true, cpuMs: 12.5 });
    const looked = { frame: 3, faces: [{ id: null, box }], cpuMs: 99 };
    expect(parseReport(JSON.stringify(looked))).toEqual(looked);
  });

  it("refuses what a library prints on stdout, and shows it", () => {
    expect(() => parseReport("I tensorflow: hello")).toThrow(/I tensorflow: hello/);
    expect(() => parseReport('{"frame":3,"cpuMs":1}')).toThrow(/no report/);
    expect(() => parseReport('{"ready":true}')).toThrow(/no report/);
  });

  it("knows the frame of a message, and other messages from it", () => {
    expect(serialOf('{"frame":17,"faces":[]}')).toBe(17);
    expect(serialOf('{"frame":{"number":17}}')).toBeNull();
    expect(serialOf("online")).toBeNull();
  });

  it("gives every contestant an id and an order of its own", () => {
    const all = entries("/venv/bin/python");
    expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
    expect(new Set(all.map(({ command }) => command.join(" "))).size).toBe(all.length);
    expect(entries(null).map(({ id }) => id)).toEqual(
      all.map(({ id }) => id).filter((id) => id !== "python"),
    );
  });
});

describe("the figures", () => {
  const clip = (name: string, faces: number): BenchClip => ({
    name,
    width: 640,
    height: 480,
    framesPerSecond: 2,
    frames: 4,
    files: {},
    minFaceSize: null,
    truth: Array.from({ length: 4 }, () =>
      Array.from({ length: faces }, (_, index) => ({ person: `${index}`, box: { ...box, x: index * 100 } })),
    ),
  });
  const seen = (faces: number, id: string | null) =>
    Array.from({ length: 4 }, () =>
      Array.from({ length: faces }, (_, index) => ({ id, box: { ...box, x: index * 100 } })),
    );
  const entry = entries(null)[0];
  if (entry === undefined) throw new Error("nobody takes part");

  it("add up over rounds, and leave the empty scene out of the whole", () => {
    const figures = figuresOf(
      {
        entry,
        peakRssMiB: 123,
        clips: [
          {
            clip: "two",
            frames: 4,
            cpuMs: 80,
            wallMs: 40,
            latenciesMs: [1, 2, 3, 9],
            reported: [seen(2, null), seen(1, null)],
          },
          {
            clip: "empty",
            frames: 4,
            cpuMs: 8,
            wallMs: 8,
            latenciesMs: [100],
            reported: [seen(0, null), seen(0, null)],
          },
        ],
      },
      [clip("two", 2), clip("empty", 0)],
    );
    expect(figures.clips[0]).toEqual({
      clip: "two",
      cpuMsPerFrame: 10,
      framesPerSecond: 200,
      p95Ms: 9,
      recall: 0.75,
      precision: 1,
      idSwitches: null,
      facesPerFrame: 1.5,
    });
    expect(figures.clips[1]).toMatchObject({ cpuMsPerFrame: 1, recall: null, precision: null });
    expect(figures).toMatchObject({ cpuMsPerFrame: 10, p95Ms: 9, recall: 0.75, peakRssMiB: 123 });
  });

  it("leave recall open where nobody knows the faces", () => {
    const figures = figuresOf(
      {
        entry,
        peakRssMiB: 1,
        clips: [
          { clip: "photos", frames: 4, cpuMs: 4, wallMs: 8, latenciesMs: [2], reported: [seen(1, "a")] },
        ],
      },
      [{ ...clip("photos", 0), truth: null }],
    );
    expect(figures).toMatchObject({ recall: null, precision: null, cpuMsPerFrame: 1, framesPerSecond: 500 });
  });

  it("have percentiles that are among the values", () => {
    const values = Array.from({ length: 20 }, (_, index) => 20 - index);
    expect(percentile(values, 95)).toBe(19);
    expect(percentile(values, 50)).toBe(10);
    expect(percentile([7], 95)).toBe(7);
    expect(percentile([], 95)).toBe(0);
  });
});

describe("the scenes", () => {
  const frame = { width: 640, height: 480 };

  it("keep a picture's shape with bars, or fill the frame", () => {
    const bars = placement({ width: 480, height: 270 }, { ...frame, fit: "bars" });
    expect(bars).toMatchObject({ x: 0, y: 60, width: 640, height: 360 });
    expect(placedBox({ x: 0, y: 0, width: 48, height: 48 }, bars)).toEqual({
      x: 0,
      y: 60,
      width: 64,
      height: 64,
    });
    const stretched = placement({ width: 480, height: 270 }, { ...frame, fit: "stretch" });
    expect(stretched).toMatchObject({ x: 0, y: 0, width: 640, height: 480 });
  });

  it("give twenty heads places that no two share", () => {
    const places = Array.from({ length: 20 }, (_, index) => placeOf(index, 20, 7, 60, frame));
    for (const [index, place] of places.entries()) {
      expect(place.x).toBeGreaterThan(0);
      expect(place.x).toBeLessThan(640);
      expect(place.y).toBeLessThan(480);
      for (const other of places.slice(index + 1))
        expect(Math.max(Math.abs(place.x - other.x), Math.abs(place.y - other.y))).toBeGreaterThan(60);
    }
  });

  it("show a clip to a faster camera at the clip's own pace", () => {
    expect(framesSeen(3, 10, 10)).toEqual([0, 1, 2]);
    expect(framesSeen(3, 10, 20)).toEqual([0, 0, 1, 1, 2, 2]);
    expect(framesSeen(41, 12.5, 30)).toHaveLength(98);
    expect(framesSeen(41, 12.5, 30).at(-1)).toBe(40);
  });
});

describe("the tables and charts", () => {
  it("write a Markdown table", () => {
    expect(markdownTable(["", "ms"], [["a|b", "1"]])).toBe("|  | ms |\n| --- | ---: |\n| a\\|b | 1 |");
  });

  it("round to what a measurement is worth", () => {
    expect([0.123, 1.005, 12.34, 123.4, 0].map(short)).toEqual(["0.12", "1.00", "12.3", "123", "0.00"]);
    expect([null, Number.NaN].map(short)).toEqual(["–", "–"]);
  });

  it("draw bars as long as their values", () => {
    const svg = barChart(
      "A & B",
      [
        { name: "ours <", ours: true },
        { name: "other", ours: false },
      ],
      [{ title: "CPU", note: "less", values: [5, 10] }],
    );
    const widths = [...svg.matchAll(/<rect class="(\w+)" .*?width="([\d.]+)"/g)].map(([, look, width]) => ({
      look,
      width: Number(width),
    }));
    expect(widths.map(({ look }) => look)).toEqual(["ours", "other"]);
    expect(widths[1]?.width).toBeCloseTo((widths[0]?.width ?? 0) * 2, 0);
    expect(svg).toContain("A &amp; B");
    expect(svg).toContain("ours &lt;");
  });

  it("draw curves over one logarithmic scale", () => {
    expect(decades([3, 250])).toEqual([0, 3]);
    expect(decades([10, 10])).toEqual([1, 2]);
    const svg = lineChart("Cost", "ms", [
      { title: "Faces", note: "", at: ["1", "2"], series: [{ name: "ours", ours: true, values: [1, 10] }] },
    ]);
    const heights = [...svg.matchAll(/<circle .*?cy="([\d.]+)"/g)].map(([, y]) => Number(y));
    expect(heights).toHaveLength(2);
    expect(heights[0]).toBeGreaterThan(heights[1] ?? 0);
  });
});
