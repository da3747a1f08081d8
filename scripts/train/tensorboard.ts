import { join } from "node:path";
import type { EpochRecord } from "./checkpoint.js";
import { tf } from "./tensorflow.js";

/** Writes each epoch's figures where `tensorboard --logdir FOLDER` finds them. */
export function tensorBoard(folder: string): (record: EpochRecord) => void {
  const writer = tf.node.summaryFileWriter(join(folder, "tensorboard"));
  return ({ epoch, loss, accuracy, ferplus, learningRate }) => {
    writer.scalar("loss", loss, epoch);
    writer.scalar("accuracy", accuracy, epoch);
    if (ferplus !== null) writer.scalar("ferplus", ferplus, epoch);
    writer.scalar("learning rate", learningRate, epoch);
    writer.flush();
  };
}
