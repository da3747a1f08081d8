import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { configFile, emotiond, SAMPLE_PHOTOS } from "../../scripts/test-support/daemon.js";
import { cascadeFile } from "../../src/base/cascade-file.js";
import { modelFolder } from "../../src/base/model-folder.js";

const ENGINE = { EMOTIOND_EMOTION_ENGINE: "onnx-int8" };

/** A folder that anybody may write, with a model, a cascade and npm packages that the program must not touch. */
let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "emotiond-cwd-"));
  for (const name of [
    "models/emotion/manifest.json",
    "planted.xml",
    "node_modules/mqtt/package.json",
    "package.json",
  ]) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), "planted");
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

const inFolder = (...args: string[]) => emotiond(args, ENGINE, folder).finished;

describe("in a folder with files that somebody else has put there", () => {
  it("classify takes the program's own model, and the user's photo", async () => {
    copyFileSync(join(SAMPLE_PHOTOS, "sample1.jpg"), join(folder, "mine.jpg"));
    const { code, stdout, stderr } = await inFolder("classify", "mine.jpg");
    expect(stderr).toBe("");
    expect(code).toBe(0);
    expect((JSON.parse(stdout) as { faces: unknown[] }).faces.length).toBeGreaterThan(0);
  });

  it("doctor looks over the program's own model, and the cascade beside the program", async () => {
    const { stdout } = await inFolder("doctor");
    expect(stdout).toMatch(/^ok +model +emotiond-edge/m);
    const planted = await inFolder(
      "doctor",
      "--config",
      configFile({ detector: { cascade: "planted.xml" } }),
    );
    expect(planted.stdout).toMatch(/^fail +config +detector\.cascade: there is no file \/.*planted\.xml/m);
  });

  it("check asks for a model beside the program", async () => {
    mkdirSync(join(folder, "other"));
    writeFileSync(join(folder, "other", "manifest.json"), "{}");
    for (const model of ["other", "./other"]) {
      const { code, stderr } = await inFolder("check", "--config", configFile({ emotion: { model } }));
      expect(code).toBe(78);
      expect(stderr).toMatch(/^emotion\.model: must be a folder with a manifest\.json; there is none in \//);
    }
    const { code } = await inFolder(
      "check",
      "--config",
      configFile({ emotion: { model: join(folder, "other") } }),
    );
    expect(code).toBe(0);
  });
});

it("an absolute path is taken as it is", () => {
  expect(modelFolder("/srv/model")).toBe("/srv/model");
  expect(cascadeFile(join(folder, "planted.xml"))).toEqual({ path: join(folder, "planted.xml") });
});
