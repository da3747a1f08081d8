/** Why there is no connection to the broker, in words that name the cure, and never a secret. */
export interface ConnectionFailure {
  /** The same for the same trouble, so that a repeat can be told from news. */
  readonly code: string;
  readonly message: string;
}

const SEE_ITS_LOG = "see the broker's own log";
const AGAIN = "emotiond goes on trying";
const NAMES_IT_REFUSES = "check mqtt.baseTopic and `device` against the broker's rules for topics";
const LOGIN_REFUSED =
  "it refuses the user name or password: check mqtt.username and the file at mqtt.passwordFile";
const NOT_LET_IN =
  "it does not let this client in: check mqtt.username, the password, and the broker's access list";
const OTHER_VERSION = "it does not speak this MQTT version: the broker needs MQTT 5 or 3.1.1";

/** MQTT 3.1.1 return codes (1–5) and MQTT 5 reason codes (from 128), as a broker sends them, all of them. */
const REASONS: Readonly<Record<number, string>> = {
  1: OTHER_VERSION,
  2: "it refuses the client identifier: is another device of the same name connected?",
  3: `it is not available at the moment: ${AGAIN}`,
  4: LOGIN_REFUSED,
  5: NOT_LET_IN,
  128: `it does not say why: ${SEE_ITS_LOG}`,
  129: `it found a malformed packet: ${SEE_ITS_LOG}`,
  130: `it found a protocol error: ${SEE_ITS_LOG}`,
  131: `it has a rule of its own against this: ${SEE_ITS_LOG}`,
  132: OTHER_VERSION,
  133: "it refuses the client identifier: check the broker's rules for names",
  134: LOGIN_REFUSED,
  135: NOT_LET_IN,
  136: `it is not available at the moment: ${AGAIN}`,
  137: `it is busy: ${AGAIN}`,
  138: "it has banned this client: ask who runs the broker",
  139: `it is shutting down: ${AGAIN}`,
  140: "it wants another way of authentication: emotiond knows user name and password, and client certificates",
  141: "it heard nothing from this client for too long: check the network",
  142: "another client connected with the same name: is there a second emotiond with this `device`?",
  143: `it finds a topic filter invalid: ${NAMES_IT_REFUSES}`,
  144: `it finds a topic invalid: ${NAMES_IT_REFUSES}`,
  145: `it finds a packet identifier in use: ${SEE_ITS_LOG}`,
  146: `it does not know a packet identifier: ${SEE_ITS_LOG}`,
  147: "it was sent more messages at a time than it takes: raise its receive maximum (in mosquitto: max_inflight_messages)",
  148: `it finds a topic alias invalid: ${SEE_ITS_LOG}`,
  149: "it refuses a packet of this size: raise its limit (in mosquitto: max_packet_size)",
  150: "it finds the message rate too high: raise its limit, or events.updateInterval",
  151: "a quota is used up: raise it on the broker",
  152: "its administrator ended the connection: ask who runs the broker",
  153: `it finds a payload's format invalid: ${SEE_ITS_LOG}`,
  154: "it keeps no retained messages: allow them on the broker (in mosquitto: retain_available)",
  155: "it does not take QoS 1: allow it on the broker (in mosquitto: max_qos)",
  156: "it says to use another server: change mqtt.url",
  157: "it has moved: change mqtt.url",
  158: `it has no shared subscriptions: ${SEE_ITS_LOG}`,
  159: `it finds the connection rate too high: ${AGAIN}`,
  160: `this connection has lasted as long as it lets one last: ${AGAIN}`,
  161: `it has no subscription identifiers: ${SEE_ITS_LOG}`,
  162: "it has no wildcard subscriptions: allow them on the broker",
};

const ERRORS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there: start the broker, or correct mqtt.url",
  ENOTFOUND: "the host name is not known: correct mqtt.url, or check the name service",
  EAI_AGAIN: "the host name cannot be looked up at the moment: check the network and the name service",
  EHOSTUNREACH: "there is no way to the host: check the network",
  EPERM:
    "this machine does not let emotiond go there: allow the broker's address in a drop-in of the unit (IPAddressAllow=), or in the firewall",
  ENETUNREACH: "there is no way to its network: check that this machine is connected",
  ETIMEDOUT: "the host does not answer: check the network, the firewall and mqtt.url",
  ECONNRESET: "the connection was cut",
  EPIPE: "the connection was cut",
  CERT_HAS_EXPIRED: "its certificate has expired: renew it on the broker (and check this machine's clock)",
  CERT_NOT_YET_VALID: "its certificate is not valid yet: check the clocks of this machine and the broker",
  DEPTH_ZERO_SELF_SIGNED_CERT:
    "its certificate is self-signed: put that certificate, or its authority's, in mqtt.ca",
  SELF_SIGNED_CERT_IN_CHAIN: "its certificate's authority is not known here: put it in mqtt.ca",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "its certificate's authority is not known here: put it in mqtt.ca",
  UNABLE_TO_GET_ISSUER_CERT: "its certificate's authority is not known here: put it in mqtt.ca",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "its certificate's authority is not known here: put it in mqtt.ca",
  CERT_REVOKED: "its certificate is revoked",
  ERR_TLS_CERT_ALTNAME_INVALID:
    "its certificate is for another host name: use the name in the certificate in mqtt.url, or renew the certificate",
  EPROTO: "the TLS handshake failed: does this port speak TLS (mqtts, usually 8883)?",
  ERR_SSL_WRONG_VERSION_NUMBER:
    "this port does not speak TLS: use mqtt:// or the port for TLS (usually 8883)",
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: "it wants a client certificate: set mqtt.cert and mqtt.key",
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: "it does not know the authority of the client certificate in mqtt.cert",
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED: "it finds the client certificate in mqtt.cert expired: renew it",
  ERR_OSSL_X509_KEY_VALUES_MISMATCH: "mqtt.key is not the key of the certificate in mqtt.cert",
  WS_ERR_UNSUPPORTED_MESSAGE_LENGTH:
    "it sent a web socket's frame of more than 1 MiB: who publishes that on emotiond's command topics?",
  ERR_OSSL_PEM_NO_START_LINE: "mqtt.ca, mqtt.cert or mqtt.key is no PEM file",
};

/** Failures that this part itself finds out. */
export type LocalFailure =
  | "unreachable"
  | "connack-timeout"
  | "ack-timeout"
  | "ack-late"
  | "closed-early"
  | "closed"
  | "closed-soon"
  | "keepalive"
  | "packet-too-large";

const LOCAL: Readonly<Record<LocalFailure, string>> = {
  unreachable: "the host does not answer: check the network, the firewall and mqtt.url",
  "connack-timeout": "it takes connections, but does not answer: is it an MQTT broker?",
  "ack-timeout": "it stopped acknowledging messages",
  "ack-late": "it takes too long to acknowledge events, which now say `replayed`: check the network",
  "closed-early":
    "it closed the connection before answering: is it an MQTT broker, and is this its port for TLS (mqtts, wss) or without (mqtt, ws), as mqtt.url says?",
  closed: "it closed the connection",
  // mosquitto 2.0 gives no reason when another client takes the name.
  "closed-soon":
    "it closes each connection soon: is there a second emotiond with this `device`, an access list that forbids something, or a limit on the size of packets?",
  keepalive: "it no longer answers",
  "packet-too-large":
    "it sent a packet of more than 64 KiB: who publishes that on emotiond's command topics, or is mqtt.url no broker?",
};

/** The broker's own reason (CONNACK or DISCONNECT), in words. */
export function brokerFailure(reason: number): ConnectionFailure {
  return {
    code: `mqtt-${reason}`,
    message:
      REASONS[reason] ??
      `it gives a reason that MQTT does not know (0x${reason.toString(16)}): ${SEE_ITS_LOG}`,
  };
}

/** The broker's reason for refusing a message or a subscription on a connection that it has accepted, in words. */
export function refusal(reason: number): ConnectionFailure {
  // 0x80 is all that MQTT 3.1.1 can say.
  return reason === 0x87 || reason === 0x80
    ? { code: `mqtt-${reason}`, message: "its access list forbids it: allow this client's topics there" }
    : brokerFailure(reason);
}

/** The broker broke a rule of MQTT; `what` is one of few texts of our own. */
export function ruleBroken(what: string): ConnectionFailure {
  return {
    code: "protocol-rule",
    message: `it breaks a rule of MQTT (${what}): is mqtt.url right, and the broker up to date?`,
  };
}

/** Of the codes of what the broker says beforehand that it does not take. */
const LIMIT = "limit-";

/** Something that the broker has said it does not take; `message` says what, and where it is set. */
export function limitOf(name: string, message: string): ConnectionFailure {
  return { code: `${LIMIT}${name}`, message };
}

export function isLimit(failure: ConnectionFailure): boolean {
  return failure.code.startsWith(LIMIT);
}

/** A packet is not even sent, because the broker has said that it takes none of its size. */
export function sizeLimit(bytes: number): ConnectionFailure {
  return limitOf(
    "packet-size",
    `it takes packets of ${bytes} bytes at most: raise that on the broker (in mosquitto: max_packet_size)`,
  );
}

export function localFailure(code: LocalFailure): ConnectionFailure {
  return { code, message: LOCAL[code] };
}

/** Any error of the socket, TLS or mqtt.js, in words. */
export function failureOf(error: unknown): ConnectionFailure {
  if (!(error instanceof Error)) return { code: "unknown", message: String(error) };
  const code = "code" in error ? error.code : undefined;
  if (typeof code === "number") return brokerFailure(code);
  if (typeof code === "string") return { code, message: ERRORS[code] ?? error.message };
  if (error.message === "connack timeout") return localFailure("connack-timeout");
  if (error.message === "Keepalive timeout") return localFailure("keepalive");
  // mqtt.js gives no code to what its parser finds.
  return { code: "protocol", message: `what it says is not MQTT: is mqtt.url right? (${error.message})` };
}

/** The broker says that it does not speak MQTT 5 (the return code of 3.1.1 brokers, the reason code of others). */
export function refusesVersion(failure: ConnectionFailure): boolean {
  return failure.code === "mqtt-1" || failure.code === "mqtt-132";
}

/** How a last will is left to the broker. */
export interface Will {
  readonly qos: 0 | 1;
  readonly retain: boolean;
}

export const WHOLE_WILL: Will = { qos: 1, retain: true };

/** The will to try next, when a connection was refused for `will`; null when that was not the reason. */
export function refusesWill(failure: ConnectionFailure, will: Will): Will | null {
  if (failure.code === "mqtt-154" && will.retain) return { ...will, retain: false };
  if (failure.code === "mqtt-155" && will.qos === 1) return { ...will, qos: 0 };
  return null;
}
