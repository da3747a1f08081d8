import { describeAddress, hidesMore } from "./address.js";

/**
 * What knows where secrets can stand, for everything that prints: the log, errors, `check` and `doctor`, systemd's
 * STATUS, and the words of programs and libraries that repeat what they were given.
 *
 * Secrets are found by their place (user and password of an address, its query, `password=…`), and those of the
 * configuration by their own text besides: a library may repeat half of an address.
 */

const MASK = "…";

const ADDRESS = /[a-z][a-z0-9+.-]*:\/\/[^\s"'`<>|]+/gi;

/** `name=value`, the value in quotes or not: a pipeline's property, a part of a query or of a path. */
const PROPERTY =
  /([A-Za-z][\w:.-]*?)(\s*=\s*(?:\([a-z]+\))?)("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|(?:\\.|[^\s\\])+)/gs;

/** Names of what nobody else may know, as a whole or after a `-`, `_` or `.`: `user-pw`, `rtmp_token`, `passphrase`. */
const PRIVATE_NAME =
  /(^|[-_.:])(user|username|user-id|login|loginuse|usr|account|pass|passwd|password|passphrase|passcode|pin|pw|pwd|loginpas|secret|token|access-token|key|api-?key|stream-?key|auth|authorization|bearer|cookie|cookies|credentials?|session|sid|sig|signature|streamid|extra-headers)$/i;

/** Shorter ones would be found in everything. */
const SHORTEST = 4;
const MOST_REMEMBERED = 500;

/** The secrets of the configuration, longest first. */
let remembered: readonly string[] = [];

/** Lets `withoutSecrets` know the secrets in a value of the configuration: an address or a pipeline. */
export function rememberSecretsIn(value: string): void {
  for (const secret of secretsIn(value)) rememberSecret(secret);
}

/** Lets `withoutSecrets` know a password. */
export function rememberSecret(secret: string): void {
  if (secret.length < SHORTEST || remembered.includes(secret)) return;
  const newest = [...remembered.slice(-MOST_REMEMBERED + 1), secret];
  remembered = newest.sort((a, b) => b.length - a.length);
}

/**
 * The text as it may be shown.
 *
 * @param more secrets that it may have in it, besides those of the configuration
 */
export function withoutSecrets(text: string, more: readonly string[] = []): string {
  let shown = text;
  for (const secret of [...more, ...remembered]) if (shown.includes(secret)) shown = without(shown, secret);
  if (shown.includes("://")) shown = shown.replace(ADDRESS, maskAddress);
  // Somebody's user and password with the `rtsp://` forgotten.
  if (shown.includes("@"))
    shown = shown.replace(/(^|[\s"'`(=])[^\s:/@"'`(=]+:(?!\/\/)[^\s@"'`]+@(?=[\w[])/g, `$1${MASK}@`);
  if (shown.includes("=")) {
    shown = shown.replace(PROPERTY, (whole: string, name: string, sign: string) =>
      isPrivate(name) ? `${name}${sign}${MASK}` : whole,
    );
  }
  if (/authorization/i.test(shown)) {
    shown = shown.replace(/(authorization:\s*)(\w+\s+)?[^\r\n"']+/gi, `$1${MASK}`);
  }
  return shown;
}

/** A value of any kind as it may be logged: every text within it is without secrets. */
export function valueWithoutSecrets(value: unknown, depth = 0): unknown {
  if (typeof value === "string") return withoutSecrets(value);
  if (typeof value !== "object" || value === null || depth > 4) return value;
  if (value instanceof Error) return errorWithoutSecrets(value);
  if (Array.isArray(value)) return value.map((entry) => valueWithoutSecrets(entry, depth + 1));
  if (Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, entry]) => [name, valueWithoutSecrets(entry, depth + 1)]),
  );
}

/** The same error where nothing in it is secret, else one that reads the same without. */
function errorWithoutSecrets(error: Error): Error {
  const message = withoutSecrets(error.message);
  const stack = withoutSecrets(error.stack ?? "");
  const inner = Object.entries(error).map(([name, entry]) => [name, valueWithoutSecrets(entry, 3)] as const);
  const same =
    message === error.message &&
    stack === (error.stack ?? "") &&
    inner.every(([name, entry]) => Reflect.get(error, name) === entry);
  if (same) return error;
  const shown = Object.assign(new Error(message), Object.fromEntries(inner));
  shown.name = error.name;
  shown.stack = stack;
  return shown;
}

/** Whether a value may be a secret, or have one in it, wherever it stands: then it is not repeated. */
export function mayBeSecret(value: string): boolean {
  return /[@=]|:\/\/[^/]*\/./.test(value) || withoutSecrets(value) !== value;
}

/**
 * The secrets in an address or a pipeline, in the forms in which they may come back: as they stand there, decoded and
 * encoded.
 */
export function secretsIn(value: string): string[] {
  const found = new Set<string>();
  const whole = value.trim();
  // As a whole, for a password may have blanks and quotes in it.
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(whole) && !/\s!\s/.test(whole)) addAddress(whole, found);
  else {
    for (const [address] of whole.matchAll(ADDRESS)) addAddress(address, found);
    for (const [, user = "", password = ""] of whole.matchAll(/([^\s:/@"'=]+):(?!\/\/)([^\s@"']+)@/g)) {
      addUser(user, found);
      addSecret(password, found);
    }
  }
  for (const [, name = "", , quoted = ""] of whole.matchAll(PROPERTY)) {
    const text = quoted.replace(/^(["'])(.*)\1$/s, "$2");
    const value = text.replace(/\\(.)/gs, "$1");
    if (isPrivate(name)) {
      if (namesUser(name)) addUser(text, found);
      else addSecret(text, found);
      if (value !== text && !namesUser(name)) addSecret(value, found);
    }
    // A structure, such as extra-headers="headers,Authorization=…", has properties of its own.
    if (value.length < whole.length && value.includes("="))
      for (const secret of secretsIn(value)) found.add(secret);
  }
  return [...found].filter((secret) => secret.length >= SHORTEST);
}

function addAddress(address: string, found: Set<string>): void {
  const rest = address.slice(address.indexOf("://") + 3);
  const at = rest.lastIndexOf("@");
  const authorityEnd = rest.search(/[/?#]/);
  if (describeAddress(address) !== address) found.add(address);
  // An @ in a query alone is a part of it.
  if (at >= 0) {
    const login = rest.slice(0, at);
    found.add(login);
    const colon = login.indexOf(":");
    if (colon < 0) addUser(login, found);
    else {
      addUser(login.slice(0, colon), found);
      const password = login.slice(colon + 1);
      addSecret(password, found);
      // What whoever cuts it short would call a host, a port or a path.
      for (const piece of password.split(/[/\\?#@:]/)) addSecret(piece, found);
      const basic = Buffer.from(`${decoded(login.slice(0, colon))}:${decoded(password)}`);
      found.add(basic.toString("base64"));
    }
  }
  const path = at < 0 && authorityEnd < 0 ? "" : (/[/?#].*$/s.exec(rest.slice(at + 1))?.[0] ?? "");
  const query = path.search(/[?#]/);
  if (query >= 0) found.add(path.slice(query + 1));
  if (hidesMore(query < 0 ? path : path.slice(0, query))) found.add(path);
  // `/user=admin_password=x_channel=1.sdp`: no `_` can be in such a value.
  for (const [, name = "", text = ""] of path.matchAll(/([A-Za-z-]+)=([^&;,_/?#]*)/g)) {
    if (!isPrivate(name)) continue;
    if (namesUser(name)) addUser(text, found);
    else addSecret(text, found);
  }
}

function addSecret(text: string, found: Set<string>): void {
  for (const form of [text, decoded(text), encodeURIComponent(toWellFormed(decoded(text)))]) found.add(form);
}

/** A user's name is often a word that is found in everything. */
function addUser(text: string, found: Set<string>): void {
  if (!/^[A-Za-z]*$/.test(text)) addSecret(text, found);
}

const namesUser = (name: string): boolean => /user|usr|login|account/i.test(name) && !/pas|pw/i.test(name);

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Half a surrogate pair cannot be encoded. */
const toWellFormed = (text: string): string => Buffer.from(text, "utf8").toString("utf8");

function isPrivate(name: string): boolean {
  return PRIVATE_NAME.test(name);
}

function without(text: string, secret: string): string {
  // A word is not looked for within other words.
  const before = /^\w/.test(secret) ? "(?<![A-Za-z0-9])" : "";
  const after = /\w$/.test(secret) ? "(?![A-Za-z0-9])" : "";
  const literal = secret.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
  return text.replace(new RegExp(before + literal + after, "g"), MASK);
}

/** Of an address within a text: user, password and query go, and what in its path is `name=value`. */
function maskAddress(address: string): string {
  // As in a stack: it has no host to log in at, and its folders may be named @something.
  if (/^file:/i.test(address)) return address;
  const scheme = address.slice(0, address.indexOf("://") + 3);
  const rest = address.slice(scheme.length);
  const at = rest.lastIndexOf("@");
  const [, path = "", more = ""] = /^([^?#]*)(.*)$/s.exec(rest.slice(at + 1)) ?? [];
  const shown = path
    .split("/")
    .map((part) => (part.includes("=") ? MASK : part))
    .join("/");
  return `${scheme}${at < 0 ? "" : `${MASK}@`}${shown}${more.length > 1 ? `${more[0]}${MASK}` : more}`;
}

/**
 * A GStreamer pipeline for people to read: its elements, without their properties.
 */
export function describePipeline(pipeline: string): string {
  return pipelineElements(pipeline).join(" ! ");
}

/** The first word of each part of a pipeline, where it is an element or a picture's format; `…` where it is neither. */
export function pipelineElements(pipeline: string): string[] {
  const words = pipeline.match(/(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\\.|[^\s"'\\])+|["'\\]/gs) ?? [];
  return words
    .filter((_word, index) => index === 0 || words[index - 1] === "!")
    .map((word) => /^([a-z]+\/[\w.-]+|[A-Za-z][\w-]*\.?|\()(?![^(,])/.exec(word)?.[1] ?? MASK);
}
