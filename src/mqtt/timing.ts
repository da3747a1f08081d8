import type { BackoffLimits } from "../base/backoff.js";

/** Times in milliseconds, but for `keepalive`, which is in MQTT's seconds. */
export interface MqttTiming {
  readonly connectTimeout: number;
  readonly ackTimeout: number;
  /** An event sent later than this after it was made says `replayed`. */
  readonly lateAfter: number;
  /** An event that does not say `replayed` is acknowledged at this age, or its connection is thrown away. */
  readonly freshFor: number;
  /** Events on their way at most. */
  readonly window: number;
  readonly refusedPause: number;
  /** A connection that lasts this long, or delivers an event, ends the backoff. */
  readonly stableAfter: number;
  readonly backoff: BackoffLimits;
  readonly keepalive: number;
}

export const MQTT_TIMING: MqttTiming = {
  connectTimeout: 15_000,
  ackTimeout: 5_000,
  lateAfter: 1000,
  freshFor: 2500,
  window: 32,
  refusedPause: 30_000,
  stableAfter: 10_000,
  backoff: { first: 500, cap: 30_000 },
  keepalive: 30,
};
