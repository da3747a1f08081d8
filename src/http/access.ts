import { createHash, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import { ExpectedError } from "../base/errors.js";
import { rememberSecret } from "../base/secrets.js";
import { isThisMachine } from "../base/this-machine.js";
import type { Config } from "../config/schema.js";

export type HttpConfig = Config["http"];

/** The `http` part of the configuration cannot be served; the message says what to change. */
export class HttpConfigError extends ExpectedError {
  override readonly name = "HttpConfigError";
  constructor(path: string, problem: string) {
    super(`${path}: ${problem}`);
  }
}

/**
 * Reads the token that callers must show: none on loopback, unless one is set.
 *
 * @throws {HttpConfigError} when there is none where one is needed, or its file cannot be read
 */
export function readToken(config: HttpConfig, host: string): string | null {
  if (config.tokenFile === undefined) {
    if (isThisMachine(host)) return null;
    throw new HttpConfigError(
      "http.tokenFile",
      `missing: ${config.listen} can be reached from other machines; name a file with a token, or listen on 127.0.0.1`,
    );
  }
  let token: string;
  try {
    // A byte order mark is white space to trim().
    token = readFileSync(config.tokenFile, "utf8").trim();
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
    throw new HttpConfigError("http.tokenFile", `${config.tokenFile} cannot be read (${code})`);
  }
  rememberSecret(token);
  if (token.length < 16) {
    throw new HttpConfigError(
      "http.tokenFile",
      `${config.tokenFile} holds a token of ${token.length} characters; at least 16 are needed (openssl rand -hex 32)`,
    );
  }
  return token;
}

/** Compares without telling by its time how much of the token was right. */
export function showsToken(authorization: string | undefined, token: string): boolean {
  const shown = /^Bearer (.+)$/i.exec(authorization ?? "")?.[1] ?? "";
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(shown), digest(token));
}

/**
 * True if a request on loopback names this machine as its host. A web page elsewhere can make the owner's browser
 * ask a name of its own that resolves to 127.0.0.1 (DNS rebinding), and read the answer.
 */
export function namesLoopback(hostHeader: string | undefined): boolean {
  const host = (hostHeader ?? "").replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
  return isThisMachine(host);
}
