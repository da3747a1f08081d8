import type { Logger } from "../base/log.js";
import type { Config } from "../config/schema.js";
import { LOOKING_NOTICE } from "../display/hiding.js";
import { createFaceFinder } from "../vision/finder.js";
import type { Engine } from "./engine.js";
import type { LiveConfig } from "./live-config.js";
import type { LiveFinder } from "./live-finder.js";
import type { Outlets } from "./outlets.js";
import type { Pictures } from "./pictures.js";

/** What a new configuration changes. */
export interface ReloadTargets {
  readonly live: LiveConfig;
  readonly finder: LiveFinder;
  readonly engine: Engine;
  readonly outlets: Outlets;
  readonly pictures: Pictures;
}

/**
 * Takes a new configuration in. What it needs is opened first.
 *
 * @throws the error of a part that refuses it; then nothing has changed.
 */
export async function reload(targets: ReloadTargets, logger: Logger, next: Config): Promise<void> {
  const { live, finder, engine, outlets, pictures } = targets;
  const nextFinder = createFaceFinder(next.detector);
  const opened = await engine.open(next.emotion);
  finder.use(nextFinder);
  const needRestart = live.change(next);
  outlets.allowSnapshots(next.privacy.snapshots);
  // What is being made was made by the rules of before.
  pictures.snapshots.refuse("the configuration was changed meanwhile: ask again");
  if (next.privacy.blurFaces) pictures.notice(LOOKING_NOTICE);
  logger.level = next.log.level;
  await pictures.display.configure(next.display);
  if (needRestart.length > 0)
    logger.warn({ sections: needRestart }, "changes in these sections need a restart");
  await engine.use(opened);
  const { model, engine: name } = engine.classifier;
  logger.info({ model, engine: name }, "configuration reloaded");
}
