import type { Box } from "../../src/base/box.js";

/** What a person said after looking at the candidates: who is there, where to start, and what was wrong. */
export interface Person {
  readonly id: string;
  /** First and last frame in which the face can be seen, from 1. */
  readonly from: number;
  readonly to: number;
  /** Centre x, centre y and side, in pixels, by frame: set by eye. The first is where the candidates are joined from. */
  readonly marks: Readonly<Record<number, readonly [x: number, y: number, side: number]>>;
  /** Take the box from the marks alone, linearly between them, and from no candidate. */
  readonly marksOnly?: true;
}

export const PEOPLE: Readonly<Record<string, readonly Person[]>> = {
  "head-pose-face-detection-female-and-male": [
    { id: "woman", from: 1, to: 56, marks: { 1: [91, 103, 64] } },
    { id: "man", from: 1, to: 56, marks: { 1: [364, 96, 85] } },
  ],
  "head-pose-face-detection-male": [{ id: "man", from: 1, to: 62, marks: { 1: [248, 87, 92] } }],
  "face-demographics-walking-and-pause": [
    { id: "woman in green", from: 1, to: 41, marks: { 1: [114, 117, 48] } },
    { id: "man", from: 1, to: 41, marks: { 1: [226, 112, 48] } },
    { id: "woman with glasses", from: 1, to: 41, marks: { 1: [322, 128, 52] } },
  ],
};

export function boxOf([x, y, side]: readonly [number, number, number]): Box {
  return { x: x - side / 2, y: y - side / 2, width: side, height: side };
}
