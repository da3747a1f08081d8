import { createMasks, type PrivacyMasks } from "../camera/masks.js";
import type { Config } from "../config/schema.js";
import type { LifecycleSettings } from "../events/lifecycle.js";
import type { TrackerSettings } from "../vision/tracker.js";

/** The configuration in use. Read it on each use, so that a reload takes effect between two frames. */
export interface LiveConfig {
  readonly current: Config;
  /** Those of now. */
  readonly masks: PrivacyMasks;
  /**
   * Takes a new configuration in, but for the sections that only a restart can change.
   *
   * @returns the names of those in which the new one differs.
   */
  change(next: Config): readonly string[];
}

const RESTART_SECTIONS = ["device", "source", "mqtt", "http"] as const;

export function createLiveConfig(first: Config): LiveConfig {
  let current = first;
  let masks = createMasks(first.privacy.masks);
  return {
    get current() {
      return current;
    },
    masks: { blank: (picture) => masks.blank(picture) },
    change(next) {
      const differing = RESTART_SECTIONS.filter(
        (key) => JSON.stringify(next[key]) !== JSON.stringify(current[key]),
      );
      const { device, source, mqtt, http } = current;
      current = { ...next, device, source, mqtt, http };
      masks = createMasks(next.privacy.masks);
      return differing;
    },
  };
}

/** Who this run of the daemon is. */
export type Identity = Pick<LifecycleSettings, "device" | "boot" | "newId">;

/** What tracker and lifecycle ask for, as it is configured now; times in milliseconds. */
export function eventSettings(live: LiveConfig, identity: Identity): LifecycleSettings & TrackerSettings {
  return {
    ...identity,
    get minConfidence() {
      return live.current.emotion.minConfidence;
    },
    get minDwell() {
      return live.current.events.minDwell * 1000;
    },
    get updateInterval() {
      return live.current.events.updateInterval * 1000;
    },
    get lostAfter() {
      return live.current.events.lostAfter * 1000;
    },
  };
}
