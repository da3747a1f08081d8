/** `npm run train`: trains a network on FER-2013 and exports it. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { hasCheckpoint } from "./checkpoint.js";
import { withoutDuplicates } from "./data/duplicates.js";
import { readFer2013 } from "./data/fer2013.js";
import { readFerPlus, withVotes } from "./data/ferplus.js";
import { PRESETS } from "./presets.js";
import { train } from "./trainer.js";

const { values } = parseArgs({
  options: {
    data: { type: "string" },
    ferplus: { type: "string" },
    out: { type: "string" },
    work: { type: "string" },
    preset: { type: "string", default: "edge" },
    epochs: { type: "string" },
    resume: { type: "boolean", default: false },
    seed: { type: "string", default: "1" },
  },
});

async function main(): Promise<void> {
  const preset = PRESETS[values.preset];
  if (preset === undefined || values.data === undefined)
    throw new Error("usage: train --data FILE --preset edge|tiny");
  const work = values.work ?? join("training", values.preset);
  mkdirSync(work, { recursive: true });
  const sets = await readFer2013(values.data);
  const votes = values.ferplus === undefined ? null : await readFerPlus(values.ferplus);
  const get = (split: "Training" | "PublicTest" | "PrivateTest") => {
    const set = sets.get(split);
    if (set === undefined) throw new Error(`no ${split}`);
    return votes === null || set.count === 0 ? set : withVotes(set, votes);
  };
  const evaluation = get("PublicTest");
  const { dataset: training, removed } = withoutDuplicates(get("Training"), [evaluation, get("PrivateTest")]);
  console.log(`${training.count} training pictures; ${removed} left out as copies of evaluation pictures`);
  const epochs = values.epochs === undefined ? preset.epochs : Number(values.epochs);
  let began = performance.now();
  await train({
    preset,
    training,
    evaluation,
    epochs,
    seed: Number(values.seed),
    folder: work,
    resume: values.resume && hasCheckpoint(work),
    init: null,
    onBatch: (epoch, batch, batches, loss) => {
      if (batch % 50 === 49) {
        console.log(
          `  ${epoch + 1} ${batch + 1}/${batches} loss ${loss.toFixed(4)} ${((performance.now() - began) / 50).toFixed(0)} ms`,
        );
        began = performance.now();
      }
    },
    onEpoch: (record) => {
      console.log(JSON.stringify(record));
      began = performance.now();
    },
  });
}

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.stack : error);
  process.exitCode = 1;
}
