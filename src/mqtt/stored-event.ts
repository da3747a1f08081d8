import { randomUUID } from "node:crypto";
import { eventSchema } from "../events/schema.js";

/** An event as the store holds it: with the time it was handed in, on two clocks. */
export interface StoredEvents {
  /** `addedAt` in milliseconds of the clock that never goes back; `json` is the event. */
  encode(json: string, addedAt: number): string;
  /** Null if it is damaged, or of a version that this one does not know. */
  decode(value: string): DecodedEvent | null;
}

export interface DecodedEvent {
  readonly json: string;
  /** Of this run's clock that never goes back; before its beginning for events of an earlier run. */
  readonly addedAt: number;
  /** It was written by an earlier run of the daemon. */
  readonly earlierRun: boolean;
}

/**
 * `steady` never goes back, but begins anew with each run; `wall` can be set. So the age of an event is reckoned by the
 * first within the run that wrote it, and by the second after it.
 */
export function storedEvents(steady: () => number, wall: () => number): StoredEvents {
  const run = randomUUID();
  return {
    encode: (json, addedAt) =>
      `{"run":"${run}","at":${addedAt},"time":${wall() - (steady() - addedAt)},"event":${json}}`,
    decode(value) {
      try {
        const stored = JSON.parse(value) as { run: unknown; at: unknown; time: unknown; event: unknown };
        const event = eventSchema.safeParse(stored.event);
        if (!event.success || typeof stored.at !== "number" || typeof stored.time !== "number") return null;
        const earlierRun = stored.run !== run;
        const addedAt = earlierRun ? steady() - Math.max(0, wall() - stored.time) : stored.at;
        return { json: JSON.stringify(event.data), addedAt, earlierRun };
      } catch {
        return null;
      }
    },
  };
}
