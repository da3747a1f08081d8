import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { EMOTION_LABELS } from "../base/labels.js";
import { MANIFEST_FILE } from "../base/model-folder.js";
import { ModelError } from "./model-error.js";

const fileSchema = z.strictObject({
  /** Name in the model's folder; no folders of its own, so that a manifest can point nowhere else. */
  path: z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9._-]*$/, { error: "must be a plain file name" }),
  sha256: z.string().regex(/^[0-9a-f]{64}$/, { error: "must be 64 hex digits" }),
  bytes: z.int().min(1),
});

const share = z.number().min(0).max(1);

const scoresSchema = z.looseObject({
  split: z.string(),
  n: z.int().min(0),
  accuracy: share,
  recall: z.record(z.string(), share),
  ferplus: z.object({ n: z.int().min(0), accuracy: share }).nullable(),
  /** Expected calibration error, before and after temperature scaling: by what most raters saw, or without votes by the labels. */
  calibrationError: z.object({ before: share, after: share }),
  /** On portraits of people whom training did not see, by what somebody saw in each; mean recall is without fear. */
  people: z
    .object({
      n: z.int().min(0),
      accuracy: share,
      meanRecall: share,
      recall: z.record(z.string(), share),
      counts: z.record(z.string(), z.int().min(0)),
      calibrationError: share,
    })
    .optional(),
});

/** What stands in a model folder's manifest.json. */
export const manifestSchema = z.strictObject({
  schema: z.literal(1),
  name: z.string().min(1),
  version: z.string().regex(/^\d+\.\d+\.\d+$/, { error: "must be three numbers, such as 1.0.0" }),
  created: z.string(),
  labels: z.array(z.string()).refine((labels) => labels.join() === EMOTION_LABELS.join(), {
    error: `must be the seven, in this order: ${EMOTION_LABELS.join(", ")}`,
  }),
  input: z.strictObject({
    size: z.int().min(16).max(512).describe("Side of the square picture in pixels"),
    channels: z.literal(1),
    type: z.literal("uint8"),
  }),
  /** The first layer computes (grey − mean) / scale, so an engine takes pixels as they are. */
  normalization: z.strictObject({ mean: z.number(), scale: z.number().positive(), inside: z.literal(true) }),
  /** Side of the crop as a share of the Haar box; vision/crop.ts does it. */
  crop: z.strictObject({ cascade: z.string(), perBox: z.number().positive() }),
  /** Softmax and the temperature of calibration are inside the model; its outputs are probabilities. */
  output: z.literal("probabilities"),
  files: z.strictObject({
    "onnx-int8": fileSchema.optional(),
    "onnx-fp32": fileSchema.optional(),
    tensorflow: z.strictObject({ model: fileSchema, weights: z.array(fileSchema).min(1) }).optional(),
    /** Both heads' last layers, of which the models have one: where further training starts. No engine reads it. */
    heads: fileSchema.optional(),
  }),
  metrics: z.record(z.string(), scoresSchema),
  training: z.looseObject({ preset: z.string(), epochs: z.int().min(0), parameters: z.int(), macs: z.int() }),
});

export type Manifest = z.output<typeof manifestSchema>;
export type ModelFile = z.output<typeof fileSchema>;

/**
 * Reads and checks a model folder's manifest.
 *
 * @throws ModelError when there is none, or it is not one that this version understands.
 */
export async function readManifest(folder: string): Promise<Manifest> {
  const path = join(folder, MANIFEST_FILE);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    throw new ModelError(
      `no model: ${path} cannot be read; set emotion.model to a folder with a manifest.json`,
      {
        cause,
      },
    );
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new ModelError(`${path} is not JSON; copy the model folder anew`, { cause });
  }
  const result = manifestSchema.safeParse(json);
  if (result.success) return result.data;
  const problems = result.error.issues.map(
    (issue) => `${issue.path.join(".") || "manifest"}: ${issue.message}`,
  );
  throw new ModelError(`${path} does not fit this version of emotiond: ${problems.join("; ")}`, {
    cause: result.error,
  });
}

/**
 * Reads one of the manifest's files and checks its sha256, so that a half-copied model is never used.
 *
 * @throws ModelError when it is missing or not the file that the manifest names.
 */
export async function readModelFile(folder: string, file: ModelFile): Promise<Buffer> {
  const path = join(folder, file.path);
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw new ModelError(`${path} cannot be read; copy the model folder anew`, { cause });
  }
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  if (sha256 !== file.sha256) {
    throw new ModelError(
      `${path} is not the file that manifest.json names: sha256 ${sha256.slice(0, 12)}…, expected ${file.sha256.slice(0, 12)}…; copy the model folder anew`,
    );
  }
  return bytes;
}
