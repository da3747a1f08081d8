import { randomUUID } from "node:crypto";
import { eventSchema } from "../events/schema.js";

/** An event as the store holds it: with the time it was handed in. */
export interface StoredEvents {
  /** `addedAt` in milliseconds of the clock that never goes back; `json` is the event. */
  encode(json: string, addedAt: number): string;
  /** Null if it is damaged, or of a version that this one does not know. */
  decode(value: string): DecodedEvent | null;
}

export interface DecodedEvent {
  readonly json: string;
  /** Of this run's clock that never goes back; this run's beginning for events of an earlier one. */
  readonly addedAt: number;
  /** It was written by an earlier run of the daemon. */
  readonly earlierRun: boolean;
}

/**
 * `steady` never goes back and cannot be set, but begins anew with each run. The clock that tells the date is of no use
 * for an event's age: a device without a battery starts in 1970, and is set to the present later. So the age of an event
 * of an earlier run is not known, and counts from the beginning of this one.
 */
export function storedEvents(steady: () => number): StoredEvents {
  const run = randomUUID();
  const begun = steady();
  return {
    encode: (json, addedAt) => `{"run":"${run}","at":${addedAt},"event":${json}}`,
    decode(value) {
      try {
        const stored = JSON.parse(value) as { run: unknown; at: unknown; event: unknown };
        const event = eventSchema.safeParse(stored.event);
        if (!event.success || typeof stored.at !== "number") return null;
        const earlierRun = stored.run !== run;
        return {
          json: JSON.stringify(event.data),
          addedAt: earlierRun ? begun : stored.at,
          earlierRun,
        };
      } catch {
        return null;
      }
    },
  };
}
