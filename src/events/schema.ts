import { z } from "zod";
import { EMOTION_LABELS } from "../base/labels.js";

/** What emotiond publishes, as one definition: the types, the JSON Schema and the API document come from it. */

const ulid = z.string().regex(/^[0-9A-HJKMNP-TV-Z]{26}$/);
const time = z.iso.datetime({ precision: 3 }).describe("RFC 3339, UTC, with milliseconds");
const fraction = z.number().min(0).max(1);

const boxSchema = z
  .strictObject({ x: fraction, y: fraction, width: fraction, height: fraction })
  .describe("Fractions of the frame");

const labelSchema = z.enum([...EMOTION_LABELS, "uncertain"]);

const scoresSchema = z
  .strictObject({
    angry: fraction,
    disgust: fraction,
    fear: fraction,
    happy: fraction,
    sad: fraction,
    surprise: fraction,
    neutral: fraction,
  })
  .describe("Probabilities of the seven emotions; they sum to 1");

export const eventSchema = z
  .strictObject({
    schema: z.literal(1).describe("Version of this schema"),
    id: ulid.describe("Unique; the same when an event is sent again"),
    boot: ulid.describe("New at each start of the daemon"),
    seq: z.int().min(1).describe("Counts the events of a boot from 1 without a gap"),
    device: z.string(),
    type: z.enum(["new", "update", "end"]),
    reason: z
      .enum(["gone", "paused", "camera", "source", "stopped"])
      .optional()
      .describe(
        "Only in `end`: the face is gone, the owner paused, the camera failed, the source ended, or the daemon stopped",
      ),
    time: time.describe("When the frame was taken"),
    track: ulid.describe("The face, from its `new` to its `end`"),
    since: time.describe("When the face was first seen"),
    duration: z.number().min(0).describe("Seconds from `since` to `time`"),
    box: boxSchema,
    emotion: z.strictObject({ label: labelSchema, confidence: fraction, scores: scoresSchema }),
    previous: labelSchema.nullable().describe("The label before this event; null in `new`"),
    replayed: z
      .boolean()
      .describe(
        "True when the event waited for the broker and is sent late. False says that it was fresh when it was sent; how old it is when it arrives, `time` says",
      ),
    frame: z.strictObject({
      number: z.int().min(1),
      width: z.int().min(1),
      height: z.int().min(1),
    }),
    model: z.strictObject({ name: z.string(), version: z.string() }),
  })
  .describe("One step in the life of a face: it came (new), changed or goes on (update), or went (end)");

export type EmotionEvent = z.output<typeof eventSchema>;
/** Why a face ended. */
export type EndReason = NonNullable<EmotionEvent["reason"]>;
export type Scores = EmotionEvent["emotion"]["scores"];

export const stateSchema = z
  .strictObject({
    time,
    faces: z.int().min(0),
    dominant: labelSchema
      .nullable()
      .describe("The label of most faces in view, the larger faces deciding a tie"),
    tracks: z.array(
      z.strictObject({ track: ulid, label: labelSchema, confidence: fraction, box: boxSchema }),
    ),
  })
  .describe("The faces in view now");

export type State = z.output<typeof stateSchema>;

export const healthSchema = z
  .strictObject({
    time,
    uptime: z.number().min(0).describe("Seconds"),
    version: z.string(),
    camera: z.strictObject({
      status: z.enum(["running", "starting", "stalled", "failed"]),
      fps: z.number().min(0),
      lastFrameAge: z.number().min(0).nullable().describe("Seconds; null before the first frame"),
      restarts: z.int().min(0),
    }),
    pipeline: z.strictObject({
      fps: z.number().min(0),
      dropped: z.int().min(0).describe("Frames dropped since the start"),
      latencyMs: z.number().min(0).nullable().describe("Median of the last frames, from taken to done"),
    }),
    model: z.strictObject({ name: z.string(), engine: z.string() }),
    paused: z.boolean().describe("True from `pause` to `resume`, over restarts: no frame is looked at"),
    mqtt: z.strictObject({ buffered: z.int().min(0), dropped: z.int().min(0) }),
    rssMiB: z.number().min(0),
    temperature: z.number().nullable().describe("The processor's, in °C; null where it cannot be read"),
  })
  .describe("How the daemon is");

export type Health = z.output<typeof healthSchema>;
