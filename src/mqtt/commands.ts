import { z } from "zod";
import type { Command } from "./publisher.js";

/** Bytes of the largest command payload that is looked at. */
export const MAX_COMMAND_BYTES = 4096;

const none = z.strictObject({});

/** Payloads of the commands, by the name in their topic. */
export const commandSchemas = {
  pause: none.describe("Stop looking at frames; live faces end"),
  resume: none.describe("Look at frames again"),
  paused: z
    .boolean()
    .describe("true is `pause`, false is `resume`: Home Assistant's switch has one topic for both"),
  display: z
    .strictObject({ sink: z.string().min(1).max(1024) })
    .describe(
      "Where the picture goes: none, auto, kms, framebuffer, wayland, x11, or the pipeline that the configuration's display.sink names; no other",
    ),
  snapshot: none.describe("Send one picture to `snapshot`; refused unless privacy.snapshots is on"),
} as const;

export type ParsedCommand =
  | { readonly ok: true; readonly command: Command }
  | { readonly ok: false; readonly error: string };

/**
 * The command in a message, or what is wrong with it, in words for its sender. An empty payload is `{}`.
 * Never throws, whatever the bytes are.
 */
export function parseCommand(name: string, payload: Buffer): ParsedCommand {
  if (!isCommandName(name)) {
    return refusal(`unknown command; known are ${Object.keys(commandSchemas).join(", ")}`);
  }
  if (payload.length > MAX_COMMAND_BYTES) {
    return refusal(`payload of ${payload.length} bytes; at most ${MAX_COMMAND_BYTES} are taken`);
  }
  const value = parseJson(payload);
  if (value === undefined) return refusal("payload is not JSON in UTF-8");
  if (name === "display") {
    const display = commandSchemas.display.safeParse(value);
    return display.success
      ? { ok: true, command: { name, sink: display.data.sink } }
      : refusal(issuesOf(display.error));
  }
  if (name === "paused") {
    const paused = commandSchemas.paused.safeParse(value);
    return paused.success
      ? { ok: true, command: { name: paused.data ? "pause" : "resume" } }
      : refusal(issuesOf(paused.error));
  }
  const empty = none.safeParse(value);
  return empty.success ? { ok: true, command: { name } } : refusal(issuesOf(empty.error));
}

function refusal(error: string): ParsedCommand {
  return { ok: false, error };
}

/** True for the name of a command that there is. */
export function isCommandName(name: string): name is keyof typeof commandSchemas {
  return Object.hasOwn(commandSchemas, name);
}

/** `undefined` is no JSON value, so it can stand for a failure. */
function parseJson(payload: Buffer): unknown {
  if (payload.length === 0) return {};
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(payload));
  } catch {
    return undefined;
  }
}

function issuesOf(error: z.ZodError): string {
  return error.issues
    .slice(0, 3)
    .map((issue) => (issue.path.length > 0 ? `${issue.path.join(".")}: ${issue.message}` : issue.message))
    .join("; ")
    .slice(0, 500);
}
