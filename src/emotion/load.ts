import { sleep } from "../base/clock.js";
import { modelFolder } from "../base/model-folder.js";
import type { Classifier, EngineName } from "./classifier.js";
import { type EngineRecord, engineRecord } from "./engine-record.js";
import { type EngineTiming, tensorFlowInstalled, timeEngines } from "./engine-timing.js";
import { type Manifest, readManifest } from "./manifest.js";
import { EngineMissingError, ModelError } from "./model-error.js";
import { openEngine } from "./open-engine.js";
import { sampleFace } from "./timing.js";

/** What the classifier tells about its choice of engine. */
export interface ClassifierLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface ChooseOptions {
  readonly logger: ClassifierLogger;
  /** Ends the timing of engines. */
  readonly signal: AbortSignal;
  /** Where the figures are kept, such as systemd's $STATE_DIRECTORY; undefined: nowhere. */
  readonly stateFolder: string | undefined;
  /** Milliseconds from the start to the timing: the first faces come first. */
  readonly timeAfter?: number;
}

/** A classifier to begin with, and what may take its place. */
export interface ChosenClassifier {
  readonly classifier: Classifier;
  /**
   * With `auto`: a faster engine, once all have been timed; null where this one is the fastest, or the signal
   * aborted. Never rejects. The receiver closes it.
   */
  readonly faster: Promise<Classifier | null>;
}

/** The fastest first, as far as is known of machines in general: what `auto` starts on before it has timed them. */
const BEST_KNOWN: readonly EngineName[] = ["onnx-int8", "onnx-fp32", "tensorflow"];

const TIME_AFTER = 5_000;

/**
 * Opens the model in a folder: checks its manifest and hashes, and computes one face, before it is handed out.
 * `auto` takes the engine that is the fastest as a rule, and times none: that is `chooseClassifier`'s.
 *
 * @throws ModelError when the model or the engine cannot be used; the message names the cure.
 */
export async function loadClassifier(folder: string, engine: EngineName | "auto"): Promise<Classifier> {
  const path = modelFolder(folder);
  const manifest = await readManifest(path);
  return engine === "auto"
    ? openFirst(path, manifest, BEST_KNOWN)
    : proven(await openEngine(path, manifest, engine));
}

/**
 * As `loadClassifier`; but `auto` then times every engine that is installed, on this device, and keeps the fastest.
 * The timing goes on in the background, once for each model, set of engines and machine; the figures go to the log.
 *
 * @throws ModelError when the model or the engine cannot be used; the message names the cure.
 */
export async function chooseClassifier(
  folder: string,
  engine: EngineName | "auto",
  options: ChooseOptions,
): Promise<ChosenClassifier> {
  if (engine !== "auto") {
    return { classifier: await loadClassifier(folder, engine), faster: Promise.resolve(null) };
  }
  const path = modelFolder(folder);
  const manifest = await readManifest(path);
  const record = engineRecord(options.stateFolder, manifest);
  const known = await record.read();
  if (known !== null) {
    const classifier = await openFirst(path, manifest, [...byTime(known), ...BEST_KNOWN]);
    tell(options.logger, manifest, classifier, known, "took the engine that was the fastest before");
    return { classifier, faster: Promise.resolve(null) };
  }
  const classifier = await openFirst(path, manifest, BEST_KNOWN);
  return { classifier, faster: findFaster(path, manifest, classifier, record, options) };
}

/** Times all engines, and opens the fastest unless it is the one at work. */
async function findFaster(
  folder: string,
  manifest: Manifest,
  current: Classifier,
  record: EngineRecord,
  options: ChooseOptions,
): Promise<Classifier | null> {
  const { logger, signal } = options;
  try {
    const installed = BEST_KNOWN.filter((engine) => isThere(manifest, engine));
    if (installed.length < 2) return null;
    await sleep(options.timeAfter ?? TIME_AFTER, signal);
    const timings = await timeEngines(folder, installed, signal);
    if (timings === null) return null;
    const [fastest] = byTime(timings);
    const better =
      fastest === undefined || fastest === current.engine
        ? null
        : await proven(await openEngine(folder, manifest, fastest));
    tell(logger, manifest, better ?? current, timings, "chose the fastest engine (ms a face)");
    await record.write(timings).catch((error: unknown) => {
      logger.warn(
        { err: error },
        "the engines' figures cannot be kept: they are timed again at the next start",
      );
    });
    return better;
  } catch (error) {
    logger.warn(
      { err: error, engine: current.engine },
      "the engines could not be compared; going on with this one",
    );
    return null;
  }
}

function isThere(manifest: Manifest, engine: EngineName): boolean {
  return manifest.files[engine] !== undefined && (engine !== "tensorflow" || tensorFlowInstalled());
}

function byTime(timings: readonly EngineTiming[]): EngineName[] {
  const usable = timings.flatMap(({ engine, msPerFace }) =>
    msPerFace === null ? [] : [{ engine, msPerFace }],
  );
  return usable.sort((a, b) => a.msPerFace - b.msPerFace).map(({ engine }) => engine);
}

function tell(
  logger: ClassifierLogger,
  { name, version }: Manifest,
  { engine }: Classifier,
  timings: readonly EngineTiming[],
  message: string,
): void {
  const figures = timings.map((timing) => [timing.engine, timing.msPerFace ?? timing.problem]);
  logger.info({ model: `${name} ${version}`, engine, timings: Object.fromEntries(figures) }, message);
}

/** Opens the first engine of the list that is installed. A file that is not what the manifest says is a fault. */
async function openFirst(
  folder: string,
  manifest: Manifest,
  engines: readonly EngineName[],
): Promise<Classifier> {
  let failure: unknown;
  for (const engine of engines) {
    if (!isThere(manifest, engine)) continue;
    try {
      return await proven(await openEngine(folder, manifest, engine));
    } catch (error) {
      if (!(error instanceof EngineMissingError)) throw error;
      failure ??= error;
    }
  }
  throw new ModelError(`no engine can run the model in ${folder}; run: npm ci`, { cause: failure });
}

/** Computes one face, so that a model that cannot is refused before anything depends on it. */
async function proven(classifier: Classifier): Promise<Classifier> {
  try {
    await classifier.classify(sampleFace(classifier.inputSize), 1);
    return classifier;
  } catch (error) {
    await classifier.close();
    throw error;
  }
}
