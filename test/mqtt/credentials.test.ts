import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseConfig } from "../../src/config/load.js";
import { readToken } from "../../src/http/access.js";
import { readMqttCredentials } from "../../src/mqtt/credentials.js";

const folder = mkdtempSync(join(tmpdir(), "emotiond-credentials-"));
const file = join(folder, "mqtt.password");
const { mqtt, http } = parseConfig(
  `{mqtt: {username: bob, passwordFile: ${file}}, http: {tokenFile: ${file}}}`,
  "f",
);

describe("a password's file", () => {
  it.each([
    ["s3cret", "s3cret"],
    ["s3cret\n", "s3cret"],
    ["s3cret\r\n", "s3cret"],
    ["\uFEFFs3cret", "s3cret"],
    ["\uFEFFs3cret\r\n", "s3cret"],
    // What is no editor's doing is the password.
    [" s3cret \n\n", " s3cret \n"],
    ["s3\uFEFFcret", "s3\uFEFFcret"],
  ])("%j holds %j", (content, password) => {
    writeFileSync(file, content);
    expect(readMqttCredentials(mqtt, {}).password).toBe(password);
    expect(readMqttCredentials(mqtt, { CREDENTIALS_DIRECTORY: folder }).password).toBe(password);
  });

  it("in UTF-16 is refused with the cure", () => {
    writeFileSync(file, Buffer.from("\uFEFFs3cret", "utf16le"));
    expect(() => readMqttCredentials(mqtt, {})).toThrow(/^mqtt\.passwordFile: .*save it as UTF-8/);
  });
});

it("a token's file may have a byte order mark and a line's end", () => {
  const token = "0123456789abcdef";
  for (const content of [token, `\uFEFF${token}\r\n`, `\uFEFF${token}`, `${token}\n`]) {
    writeFileSync(file, content);
    expect(readToken(http, "127.0.0.1")).toBe(token);
  }
});
