import type { Logger } from "../base/logger.js";
import type { MqttVersion } from "./connection.js";
import { type ConnectionFailure, refusesVersion, refusesWill, WHOLE_WILL, type Will } from "./failure.js";
import type { BrokerLimits } from "./limits.js";

/** The MQTT version and the last will with which the next connection is tried. */
export interface BrokerTerms {
  version(): MqttVersion;
  will(): Will;
  /** The broker has accepted a connection with these. */
  accepted(limits: BrokerLimits): void;
  /** It has refused or ended one; true where the next should be tried at once, with other terms. */
  refused(failure: ConnectionFailure, wasOpen: boolean): boolean;
}

/** Begins with MQTT 5 and the whole will, and goes to less where the broker's behaviour asks for it. */
export function brokerTerms(log: Logger, broker: string): BrokerTerms {
  let version: MqttVersion = 5;
  /** False while 3.1.1 is only a guess: what hung up on MQTT 5 may have been no broker. */
  let proven = false;
  /** As much of the last will as the broker takes. */
  let will: Will = WHOLE_WILL;

  function otherVersion(): void {
    version = version === 5 ? 4 : 5;
  }

  return {
    version: () => version,
    will: () => will,
    accepted({ maximumQos, retain }) {
      // What it could not do it may do by now: the next will is tried whole, if this CONNACK says that it can.
      will = { qos: maximumQos === 1 ? 1 : will.qos, retain: retain || will.retain };
      if (version === 5) proven = true;
    },
    refused(failure, wasOpen) {
      if (wasOpen) {
        if (!proven) version = 5;
        return false;
      }
      if (refusesVersion(failure)) {
        const refused = version;
        otherVersion();
        // Told by the broker itself, and so for good until it says otherwise.
        proven = refused === 5;
        const names = refused === 5 ? "5, trying 3.1.1" : "3.1.1, trying 5";
        log.info({ broker }, `the broker refuses MQTT ${names}`);
        return refused === 5;
      }
      const less = refusesWill(failure, will);
      if (less !== null) {
        will = less;
        log.info({ broker, ...will }, "the broker does not take the last will as it is, trying with less");
        return true;
      }
      // Some old brokers just hang up on MQTT 5; one that is restarting does too, so both versions take turns.
      if (failure.code === "closed-early" && !proven) otherVersion();
      return false;
    },
  };
}
