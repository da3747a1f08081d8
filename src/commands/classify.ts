import { type Box, clipToFrame } from "../base/box.js";
import { EMOTION_LABELS, type FaceLabel } from "../base/labels.js";
import { cv, type Mat } from "../base/opencv.js";
import { readSizedPhoto } from "../camera/stills/photo.js";
import { defaultConfig } from "../config/load.js";
import type { Config } from "../config/schema.js";
import type { Classifier } from "../emotion/classifier.js";
import { loadClassifier } from "../emotion/load.js";
import { labelOf, scoresOfFace } from "../emotion/smoothing.js";
import { outputIsLost } from "../system/standard-output.js";
import { cropFaces, cropRotation } from "../vision/crop.js";
import { findInPhoto, type PhotoFace } from "../vision/photo-faces.js";

interface ClassifiedFace {
  readonly box: Box;
  readonly label: FaceLabel;
  readonly confidence: number;
  readonly scores: Readonly<Record<string, number>>;
}

/** Larger pictures are scaled down by 2, 4 or 8 for the search, to no less than this on the longer side. */
const SEARCH_SIZE = 1_280;

/**
 * Finds and names the faces of pictures: a JSON line each on stdout. A file that is no picture has an `error`
 * in its line.
 *
 * @returns 0, or 1 when any file was no picture.
 */
export async function classify(files: readonly string[]): Promise<number> {
  const config = defaultConfig(process.env);
  const classifier = await loadClassifier(config.emotion.model, config.emotion.engine);
  let failures = 0;
  try {
    for (const file of files) {
      if (outputIsLost()) break;
      const line = await classifyFile(file, config, classifier).catch((error: unknown) => {
        failures += 1;
        return { file, error: (error as Error).message };
      });
      process.stdout.write(`${JSON.stringify(line)}\n`);
    }
  } finally {
    await classifier.close();
  }
  return failures > 0 ? 1 : 0;
}

async function classifyFile(file: string, { detector, emotion }: Config, classifier: Classifier) {
  const { picture, width, height } = await readSizedPhoto(file, SEARCH_SIZE);
  try {
    const grey = await picture.cvtColorAsync(cv.COLOR_BGR2GRAY);
    try {
      const scale = width / picture.cols;
      const found = await findInPhoto(grey, detector);
      const faces = await scoreFaces(grey, found, classifier, emotion.minConfidence);
      return { file, width, height, faces: faces.map((face) => enlarged(face, scale, width, height)) };
    } finally {
      grey.release();
    }
  } finally {
    picture.release();
  }
}

async function scoreFaces(
  grey: Mat,
  found: readonly PhotoFace[],
  classifier: Classifier,
  minConfidence: number,
): Promise<ClassifiedFace[]> {
  if (found.length === 0) return [];
  const { inputSize } = classifier;
  const crops = await Promise.all(
    found.map(({ box, angle }) => cropFaces(grey, [box], inputSize, { rotation: cropRotation(angle) })),
  );
  const flat = await classifier.classify(Buffer.concat(crops), found.length);
  return found.map(({ box }, index) => {
    const scores = scoresOfFace(flat, index);
    return {
      box,
      label: labelOf(scores, minConfidence),
      confidence: Math.max(...scores),
      scores: Object.fromEntries(EMOTION_LABELS.map((label, column) => [label, scores[column] ?? 0])),
    };
  });
}

/** Pixels of the scaled picture to pixels of the file's. */
function enlarged(face: ClassifiedFace, scale: number, width: number, height: number): ClassifiedFace {
  const { x, y, width: faceWidth, height: faceHeight } = face.box;
  const box = { x: x * scale, y: y * scale, width: faceWidth * scale, height: faceHeight * scale };
  return { ...face, box: clipToFrame(box, width, height) };
}
