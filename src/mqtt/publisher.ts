import type { EmotionEvent, Health, State } from "../events/schema.js";

export interface DeliveryStats {
  readonly connected: boolean;
  /** Events the broker has not acknowledged yet. */
  readonly buffered: number;
  /** Events lost to `maxEvents` or `maxAge` since the start. */
  readonly dropped: number;
  /** Events sent late since the start. */
  readonly replayed: number;
}

/** The way out to the broker, as the rest of the daemon sees it. None of these calls waits or throws. */
export interface Publisher {
  /** Takes an event in at once; it is delivered in order, at least once, now or when the broker is back. */
  event(event: EmotionEvent): void;
  /** The newest state; older unsent ones are forgotten. Republished at each connect. */
  state(state: State): void;
  health(health: Health): void;
  /** Whether the daemon is paused: retained, and republished at each connect. */
  paused(paused: boolean): void;
  stats(): DeliveryStats;
  /** Sends what is waiting as far as `timeoutMs` allows, then `offline`, then disconnects. */
  stop(timeoutMs: number): Promise<void>;
}

/** The answer to a command, published on its response topic. */
export type CommandResult = { readonly ok: true } | { readonly ok: false; readonly error: string };

export type Command =
  | { readonly name: "pause" }
  | { readonly name: "resume" }
  | { readonly name: "display"; readonly sink: string }
  | { readonly name: "snapshot" };

/** What runs a command; it never throws. A snapshot's picture (JPEG) goes out beside the answer. */
export type CommandHandler = (command: Command) => Promise<CommandResult & { readonly jpeg?: Buffer }>;
