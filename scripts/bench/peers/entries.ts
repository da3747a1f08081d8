import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Entry } from "./contestant.js";

const CONTESTANTS = fileURLToPath(new URL("contestants/", import.meta.url));

/** Who takes part. `python` is an interpreter that has what plain.py needs; null leaves it out. */
export function entries(python: string | null): Entry[] {
  const node = (
    id: string,
    name: string,
    pixels: Entry["pixels"],
    script: string,
    ...args: string[]
  ): Entry => ({
    id,
    name,
    pixels,
    command: [process.execPath, join(CONTESTANTS, script), ...args],
  });
  return [
    node("emotiond", "emotiond", "i420", "emotiond.mjs"),
    node("plain", "plain loop, this code base", "i420", "plain.mjs"),
    ...(python === null
      ? []
      : [
          {
            id: "python",
            name: "plain loop, Python and Keras",
            pixels: "i420" as const,
            command: [python, join(CONTESTANTS, "plain.py")] as const,
          },
        ]),
    node("human", "Human, every frame anew", "rgb", "human.mjs"),
    node("human-tracking", "Human, following by its mesh", "rgb", "human.mjs", "tracking"),
    node("face-api-ssd", "face-api, SSD MobileNet", "rgb", "face-api.mjs"),
    node("face-api-tiny", "face-api, tiny detector", "rgb", "face-api.mjs", "tiny"),
  ];
}
