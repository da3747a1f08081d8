import { describe, expect, it } from "vitest";
import { scoreAccuracy } from "../../scripts/bench/accuracy.js";

const at = (x: number, y = 0, size = 10) => ({ x, y, width: size, height: size });

describe("the score", () => {
  it("counts recall after the grace period and precision from the first frame", () => {
    const truth = [0, 1, 2, 3].map(() => [
      { person: "a", box: at(0) },
      { person: "b", box: at(50) },
    ]);
    const reported = [
      [],
      [{ id: "1", box: at(1) }],
      [
        { id: "1", box: at(1) },
        { id: "2", box: at(51) },
      ],
      [
        { id: "1", box: at(1) },
        { id: "9", box: at(90) },
      ],
    ];
    const score = scoreAccuracy(truth, reported, 2);
    expect(score.recall).toBe(3 / 4);
    expect(score.recallFromFirst).toBe(4 / 8);
    expect(score.precision).toBe(4 / 5);
    expect(score.idSwitches).toBe(0);
  });

  it("sees an id that goes to another person, and a person who gets another id", () => {
    const truth = [0, 1].map(() => [
      { person: "a", box: at(0) },
      { person: "b", box: at(50) },
    ]);
    const swapped = [
      [
        { id: "1", box: at(0) },
        { id: "2", box: at(50) },
      ],
      [
        { id: "2", box: at(0) },
        { id: "1", box: at(50) },
      ],
    ];
    expect(scoreAccuracy(truth, swapped, 0).idSwitches).toBe(2);
  });

  it("does not take half a face, or the same face twice, for a find", () => {
    const truth = [[{ person: "a", box: at(0) }]];
    expect(scoreAccuracy(truth, [[{ id: null, box: at(6) }]], 0)).toMatchObject({ recall: 0, precision: 0 });
    const twice = [
      [
        { id: null, box: at(0) },
        { id: null, box: at(1) },
      ],
    ];
    expect(scoreAccuracy(truth, twice, 0)).toMatchObject({ recall: 1, precision: 0.5 });
  });
});
