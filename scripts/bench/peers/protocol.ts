import { z } from "zod";

/** A clip as a contestant reads it: raw pictures one after another, in the layout that it likes best. */
export interface ClipFile {
  readonly file: string;
  readonly width: number;
  readonly height: number;
  readonly framesPerSecond: number;
  /** Smallest face as a fraction of the height; null for the contestant's own default. */
  readonly minFaceSize: number | null;
}

/**
 * What the runner tells a contestant, a line of JSON each, on its stdin: begin with this clip, forgetting all earlier
 * ones; then frame by frame. The next order comes when the last one is answered. The end of stdin is the end.
 */
export type Order =
  | { readonly open: ClipFile }
  /** `serial` is never used twice in a run, and goes into the MQTT message. */
  | { readonly frame: number; readonly serial: number };

const box = z.object({ x: z.number(), y: z.number(), width: z.number(), height: z.number() });
const face = z.object({ id: z.string().nullable(), box });
/** `cpuMs` is what the whole process has used since its start. */
const ready = z.strictObject({ ready: z.literal(true), cpuMs: z.number() });
const looked = z.strictObject({ frame: z.number().int(), faces: z.array(face), cpuMs: z.number() });
const report = z.union([ready, looked]);
const published = z.object({ frame: z.number().int() });

/** What a contestant answers, a line of JSON on its stdout. */
export type Report = z.infer<typeof report>;

/** @throws Error that shows the line */
export function parseReport(line: string): Report {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new Error(`not the protocol's JSON: ${line.slice(0, 200)}`);
  }
  const result = report.safeParse(value);
  if (!result.success) throw new Error(`no report: ${line.slice(0, 200)}`);
  return result.data;
}

/** @returns the serial of the frame that an MQTT message of a contestant is about; null for other messages */
export function serialOf(payload: string): number | null {
  try {
    const result = published.safeParse(JSON.parse(payload));
    return result.success ? result.data.frame : null;
  } catch {
    return null;
  }
}
