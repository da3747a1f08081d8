import { randomBytes } from "node:crypto";
import { resolve } from "node:path";
import type { MqttConfig } from "../config/schema.js";
import { openConnection } from "../mqtt/connection.js";
import { type MqttCredentials, passwordInTheClear, readMqttCredentials } from "../mqtt/credentials.js";
import { type ConnectionFailure, localFailure, refusesVersion } from "../mqtt/failure.js";
import { type Finding, fail, ok, warn } from "./finding.js";
import {
  findServicePassword,
  type ServiceManager,
  type ServicePassword,
  THIS_SYSTEM,
} from "./service-credential.js";

const BROKER_PATIENCE = 4_000;
const GOODBYE = 500;
const CLOSED_EARLY = localFailure("closed-early");
/** The broker's codes for who it does not let in. */
const REFUSALS = new Set(["mqtt-4", "mqtt-5", "mqtt-134", "mqtt-135"]);

/**
 * Says hello to the broker that the configuration names, as the service would.
 *
 * @param file the configuration's path, by which its service is found
 */
export async function checkBroker(
  mqtt: MqttConfig,
  file: string | undefined,
  manager: ServiceManager = THIS_SYSTEM,
): Promise<Finding> {
  const where = new URL(mqtt.url).host;
  // systemd hands the service its password; whoever else asks has to look where it comes from.
  const isService = (process.env.CREDENTIALS_DIRECTORY ?? "") !== "";
  const password =
    isService || file === undefined ? undefined : await findServicePassword(resolve(file), manager);
  const settings = password?.kind === "file" ? { ...mqtt, passwordFile: password.path } : mqtt;
  let failure: ConnectionFailure | undefined;
  let exposed: string | null;
  try {
    const credentials = readMqttCredentials(settings);
    exposed = passwordInTheClear(mqtt.url, credentials);
    failure = await greet(mqtt.url, credentials, 5);
    // As the daemon does: some brokers know MQTT 3.1.1 alone, and old ones just hang up.
    if (failure !== undefined && (refusesVersion(failure) || failure.code === CLOSED_EARLY.code)) {
      const older = await greet(mqtt.url, credentials, 4);
      if (older?.code !== CLOSED_EARLY.code) failure = older;
    }
  } catch (error) {
    return fail((error as Error).message);
  }
  if (failure === undefined) {
    const how = password?.kind === "file" ? `, with the password in ${password.path}` : "";
    const text = `${where} lets us in${how}`;
    return exposed === null ? ok(text) : warn(`${text}; ${exposed}`);
  }
  const hint =
    REFUSALS.has(failure.code) && password !== undefined ? passwordHint(password, mqtt, file ?? "") : "";
  return fail(`${where}: ${failure.message}${hint}${exposed === null ? "" : `; ${exposed}`}`);
}

/** Says hello to the broker, and goodbye, over a connection as the daemon's own: no broker can end this process. */
function greet(
  url: string,
  credentials: MqttCredentials,
  version: 4 | 5,
): Promise<ConnectionFailure | undefined> {
  return new Promise((resolve) => {
    let letIn = false;
    openConnection(
      {
        url,
        version,
        clientId: `doctor-${randomBytes(6).toString("hex")}`,
        credentials,
        // The service's would say that it has gone.
        will: null,
        keepalive: 30,
        connectTimeout: BROKER_PATIENCE,
        ackTimeout: BROKER_PATIENCE,
      },
      {
        onConnect(connection) {
          letIn = true;
          void connection.close(GOODBYE);
        },
        onMessage() {},
        onClose: (failure) => resolve(letIn ? undefined : failure),
      },
    );
  });
}

/** What to do about the password when the broker does not let us in. */
function passwordHint(password: ServicePassword, mqtt: MqttConfig, file: string): string {
  switch (password.kind) {
    case "file":
      return `; the password is the one in ${password.path}`;
    case "hidden":
      return `; the service's own password, at ${password.path}, is for root to read: sudo emotiond doctor --config ${file}`;
    case "unused":
      return `; the service does not get ${password.path}: ${password.cure}`;
    case "missing":
      return mqtt.passwordFile === undefined
        ? `; there is no password: put it into ${password.path}, readable by root alone`
        : "";
  }
}
