/**
 * `npm run evaluate`: scores an exported model on a split of FER-2013, or on a part of a folder of images, one pass, no
 * test-time augmentation.
 *
 *     npm run --silent evaluate -- --data fer2013.csv[.gz] --split PrivateTest --engine onnx-int8 [--ferplus FILE] [--json]
 *     npm run --silent evaluate -- --data FOLDER --split NAME …     FOLDER/NAME/<label>/*, images of any size and colour
 */
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import type { EngineName } from "../src/emotion/classifier.js";
import { loadClassifier } from "../src/emotion/load.js";
import { isFolder, readPart, readSplit } from "./evaluate/data.js";
import { evaluate } from "./evaluate/evaluate.js";
import { asText } from "./evaluate/text.js";
import { SPLITS } from "./train/data/dataset.js";

const ENGINES: readonly (EngineName | "auto")[] = ["onnx-int8", "onnx-fp32", "tensorflow", "auto"];

class UsageError extends Error {
  override readonly name = "UsageError";
}

function oneOf<T extends string>(option: string, value: string, allowed: readonly T[]): T {
  const found = allowed.find((candidate) => candidate === value);
  if (found === undefined) throw new UsageError(`--${option} ${value}: must be one of ${allowed.join(", ")}`);
  return found;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      data: { type: "string" },
      ferplus: { type: "string" },
      split: { type: "string", default: "PublicTest" },
      engine: { type: "string", default: "auto" },
      model: { type: "string" },
      json: { type: "boolean", default: false },
    },
  });
  if (values.data === undefined) {
    throw new UsageError("--data FILE is missing: Kaggle's fer2013.csv, plain or .gz, or a folder of images");
  }
  const engine = oneOf("engine", values.engine, ENGINES);
  const dataset = isFolder(values.data)
    ? readPart(values.data, values.split, values.ferplus, (line) => console.error(line))
    : await readSplit(values.data, oneOf("split", values.split, SPLITS), values.ferplus);
  const classifier = await loadClassifier(
    values.model === undefined ? "models/emotion" : resolve(values.model),
    engine,
  );
  try {
    const result = await evaluate(classifier, dataset, values.split);
    console.log(values.json ? JSON.stringify(result) : asText(result));
  } finally {
    await classifier.close();
  }
}

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
