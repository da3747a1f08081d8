import { readFileSync } from "node:fs";
import { join } from "node:path";
import { EXIT_CONFIG, ExpectedError } from "../base/errors.js";
import { rememberSecret } from "../base/secrets.js";
import { isThisMachine } from "../base/this-machine.js";
import type { MqttConfig } from "../config/schema.js";

/** What proves to the broker who this is, and to this who the broker is. Never logged. */
export interface MqttCredentials {
  readonly username?: string;
  readonly password?: string;
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
}

/**
 * The same, user name and password as bytes: mqtt-packet logs every string that it writes, if someone sets DEBUG. It
 * takes both; mqtt.js names one.
 */
export function unlogged(credentials: MqttCredentials): MqttCredentials {
  const { username, password, ...rest } = credentials;
  return {
    ...rest,
    ...(username === undefined ? {} : { username: bytesOf(username) }),
    ...(password === undefined ? {} : { password: bytesOf(password) }),
  };
}

function bytesOf(secret: string): string {
  const bytes: unknown = Buffer.from(secret);
  return bytes as string;
}

/** A file that `mqtt.…` names cannot be used; the message says which, why, and what to do. */
export class MqttCredentialError extends ExpectedError {
  override readonly name = "MqttCredentialError";
  /** At a start it is the configuration that is wrong; later ones are told in the log, and end nothing. */
  override readonly exitCode = EXIT_CONFIG;
  /** The setting that names the file, such as `mqtt.passwordFile`. */
  readonly path: string;
  constructor(path: string, problem: string) {
    super(`${path}: ${problem}`);
    this.path = path;
  }
}

/**
 * Reads the password and the PEM files. The password comes from `$CREDENTIALS_DIRECTORY/mqtt.password` (systemd's
 * LoadCredential=), else from `mqtt.passwordFile`; a byte order mark before it and one line feed at its end do not count. Read again at every
 * connection, so that a renewed certificate is used without a restart.
 *
 * @throws {MqttCredentialError}
 */
export function readMqttCredentials(
  config: MqttConfig,
  env: NodeJS.ProcessEnv = process.env,
): MqttCredentials {
  const password = readPassword(config, env);
  if ((config.cert === undefined) !== (config.key === undefined)) {
    const [has, lacks] = config.cert === undefined ? ["key", "cert"] : ["cert", "key"];
    throw new MqttCredentialError(
      `mqtt.${lacks}`,
      `missing: mqtt.${has} is set, a client certificate needs both`,
    );
  }
  if (password !== undefined && config.username === undefined) {
    throw new MqttCredentialError("mqtt.username", "missing: there is a password, but no user name to it");
  }
  const encrypted = /^(mqtts|wss):/.test(config.url);
  const tls = config.ca !== undefined ? "ca" : config.cert !== undefined ? "cert" : undefined;
  if (tls !== undefined && !encrypted) {
    throw new MqttCredentialError(
      "mqtt.url",
      `${config.url} is not encrypted, but mqtt.${tls} is set: use mqtts:// or wss://, or leave mqtt.${tls} out`,
    );
  }
  const ca = config.ca === undefined ? undefined : readPem("mqtt.ca", config.ca);
  const cert = config.cert === undefined ? undefined : readPem("mqtt.cert", config.cert);
  const key = config.key === undefined ? undefined : readPem("mqtt.key", config.key);
  return {
    ...(config.username === undefined ? {} : { username: config.username }),
    ...(password === undefined ? {} : { password }),
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
}

/**
 * What to say of a password that goes over a network unencrypted; null where none does, or only within this machine.
 */
export function passwordInTheClear(url: string, { password }: MqttCredentials): string | null {
  const { protocol, host, hostname } = new URL(url);
  if (password === undefined || !["mqtt:", "ws:"].includes(protocol) || isThisMachine(hostname)) return null;
  return `mqtt.url: the password goes to ${host} unencrypted, for all on the way to read: use ${protocol.replace(":", "s:")}//`;
}

function readPassword(config: MqttConfig, env: NodeJS.ProcessEnv): string | undefined {
  const folder = env.CREDENTIALS_DIRECTORY;
  if (folder !== undefined && folder !== "") {
    const credential = readIfThere(join(folder, "mqtt.password"));
    if (credential !== undefined) return passwordIn("mqtt.password", credential);
  }
  if (config.passwordFile === undefined) return undefined;
  return passwordIn("mqtt.passwordFile", readFile("mqtt.passwordFile", config.passwordFile));
}

/** Without what editors put around it: a byte order mark, and one line feed. */
function passwordIn(path: string, content: Buffer): string {
  if (/^(\xff\xfe|\xfe\xff)/.test(content.toString("latin1", 0, 2))) {
    throw new MqttCredentialError(
      path,
      "the password is saved as UTF-16: save it as UTF-8, or as plain ASCII",
    );
  }
  const password = content
    .toString("utf8")
    .replace(/^\uFEFF/, "")
    .replace(/\r?\n$/, "");
  rememberSecret(password);
  return password;
}

function readIfThere(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw new MqttCredentialError(
      "mqtt.password",
      `the credential ${file} cannot be read (${codeOf(error)}): check LoadCredential= in the unit`,
    );
  }
}

function readPem(path: string, file: string): Buffer {
  const content = readFile(path, file);
  if (!content.includes("-----BEGIN ")) {
    throw new MqttCredentialError(
      path,
      `${file} is no PEM file: it must have a line -----BEGIN …----- (openssl converts other forms)`,
    );
  }
  return content;
}

function readFile(path: string, file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    const code = codeOf(error);
    const cure =
      code === "ENOENT"
        ? "there is no such file: create it, or correct the path"
        : code === "EACCES"
          ? "the daemon's user may not read it: change its owner or mode"
          : `it cannot be read (${code})`;
    throw new MqttCredentialError(path, `${file}: ${cure}`);
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}
