import type { Logger } from "../base/logger.js";
import type { Config } from "../config/schema.js";
import type { Classifier } from "../emotion/classifier.js";
import { chooseClassifier } from "../emotion/load.js";

/** A classifier that is open and not yet at work. */
export interface OpenClassifier {
  readonly classifier: Classifier;
  /** A faster one, once it is known; null where this one is the fastest. Never rejects. */
  readonly faster: Promise<Classifier | null>;
  /** Ends the search for a faster one. */
  readonly outdated: AbortController;
}

/** The classifier at work: the one owner of each that is opened. */
export interface Engine {
  /** That of now; `use` comes first. */
  readonly classifier: Classifier;
  /** @throws ModelError when the model or its engine cannot be used; then the one at work goes on. */
  open(emotion: Config["emotion"]): Promise<OpenClassifier>;
  /**
   * Puts it to work, and a faster one in its place as soon as one is found. The one before is closed when the frame
   * that is under way is done with it.
   */
  use(next: OpenClassifier): Promise<void>;
  close(): Promise<void>;
}

export interface EngineOptions {
  readonly logger: Logger;
  /** Where the engines' figures are kept; undefined: nowhere. */
  readonly stateFolder: string | undefined;
  /** Settles when the frame that is under way has been through. */
  readonly frameUnderWay: () => Promise<unknown>;
  /** Aborts when the daemon stops. */
  readonly signal: AbortSignal;
}

export function createEngine(options: EngineOptions): Engine {
  const { logger, stateFolder, frameUnderWay, signal } = options;
  let classifier: Classifier | undefined;
  let outdated = new AbortController();

  async function replace(next: Classifier | undefined): Promise<void> {
    const before = classifier;
    classifier = next;
    // That frame may still be shown to it.
    await frameUnderWay().catch(() => undefined);
    await before?.close();
  }

  async function takeFaster(opened: OpenClassifier): Promise<void> {
    const better = await opened.faster;
    if (better === null) return;
    if (opened.outdated.signal.aborted || signal.aborted) await better.close();
    else await replace(better);
  }

  return {
    get classifier() {
      if (classifier === undefined) throw new Error("no classifier is at work");
      return classifier;
    },
    async open({ model, engine }) {
      const ends = new AbortController();
      const until = AbortSignal.any([signal, ends.signal]);
      const chosen = await chooseClassifier(model, engine, { logger, signal: until, stateFolder });
      return { ...chosen, outdated: ends };
    },
    async use(next) {
      outdated.abort();
      outdated = next.outdated;
      await replace(next.classifier);
      void takeFaster(next).catch((error: unknown) =>
        logger.warn({ err: error }, "the engine could not be changed"),
      );
    },
    close: () => replace(undefined),
  };
}
