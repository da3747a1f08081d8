/** Exports the model of a training run's checkpoint. Also what `npm run train` does at its end. */
import { parseArgs } from "node:util";
import { finishRun } from "./finish.js";

const { values } = parseArgs({
  options: {
    data: { type: "string" },
    ferplus: { type: "string" },
    work: { type: "string" },
    out: { type: "string", default: "models/emotion" },
    preset: { type: "string", default: "edge" },
    "model-version": { type: "string", default: "0.1.0" },
  },
});

try {
  if (values.data === undefined || values.work === undefined) {
    throw new Error("usage: export-checkpoint --data FILE [--ferplus FILE] --work FOLDER [--out FOLDER]");
  }
  await finishRun({
    data: values.data,
    ferplus: values.ferplus,
    work: values.work,
    out: values.out,
    preset: values.preset,
    version: values["model-version"],
  });
} catch (error) {
  console.error(error instanceof Error ? error.stack : error);
  process.exitCode = 1;
}
