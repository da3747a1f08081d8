import { type Manifest, readManifest } from "../../src/emotion/manifest.js";
import type { TrainCommand } from "./command.js";

/** What a network learnt from beside the data: kept with its checkpoints, and told in its manifest. */
export interface Origin {
  /** The exported model whose weights it started from; its epochs include those of the models before it. */
  readonly init?: { readonly version: string; readonly epochs: number };
  /**
   * The exported model whose answers stood beside the labels (of several, the versions with a comma between them), and
   * how much they counted, 0 to 1.
   */
  readonly teacher?: { readonly version: string; readonly share: number };
}

/** @throws ModelError when there is no such model */
export async function originOf({
  init,
  teachers,
  teacherShare,
}: Pick<TrainCommand, "init" | "teachers" | "teacherShare">): Promise<Origin> {
  const start = init === undefined ? undefined : await readManifest(init);
  const manifests = await Promise.all(teachers.map((teacher) => readManifest(teacher)));
  const versions = manifests.map(({ version }) => version);
  return {
    ...(start === undefined ? {} : { init: { version: start.version, epochs: epochsBehind(start) } }),
    ...(versions.length === 0 ? {} : { teacher: { version: versions.join(", "), share: teacherShare } }),
  };
}

/** The origin of an exported model, as its manifest has it. */
export function originIn({ training }: Manifest): Origin {
  const { init, teacher } = training as Origin;
  return { ...(init === undefined ? {} : { init }), ...(teacher === undefined ? {} : { teacher }) };
}

/** Epochs that went into a model, with those of the models that it started from. */
function epochsBehind(manifest: Manifest): number {
  return manifest.training.epochs + (originIn(manifest).init?.epochs ?? 0);
}
