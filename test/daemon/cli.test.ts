import { existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { beforeAll, describe, expect, it } from "vitest";
import {
  configFile,
  emotiond,
  type Finished,
  MEDIA,
  SAMPLE_PHOTOS,
} from "../../scripts/test-support/daemon.js";
import { cv } from "../../src/base/opencv.js";

const folder = mkdtempSync(join(tmpdir(), "emotiond-cli-"));
// One engine: timing them all is for the daemon's start, and for a test of its own.
const command = (...args: string[]): Promise<Finished> =>
  emotiond(args, { EMOTIOND_EMOTION_ENGINE: "onnx-int8" }).finished;

interface Classified {
  readonly file: string;
  readonly width: number;
  readonly height: number;
  readonly faces: readonly {
    readonly box: { readonly x: number; readonly y: number; readonly width: number; readonly height: number };
    readonly label: string;
    readonly confidence: number;
    readonly scores: Readonly<Record<string, number>>;
  }[];
  readonly error?: string;
}

async function classify(...files: string[]): Promise<{ code: number | null; lines: Classified[] }> {
  const { code, stdout } = await command("classify", ...files);
  return {
    code,
    lines: stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Classified),
  };
}

describe("the command line", () => {
  it("tells its version and its commands", async () => {
    const version = await command("--version");
    expect(version).toMatchObject({ code: 0, stderr: "" });
    expect(version.stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    const help = await command("--help");
    expect(help.code).toBe(0);
    for (const name of ["run", "check", "doctor", "schema", "classify", "demo"])
      expect(help.stdout).toContain(name);
  });

  it("says what is wrong with a call", async () => {
    expect(await command("fly")).toMatchObject({ code: 64, stdout: "" });
    expect((await command("run")).stderr).toContain("--config FILE");
    expect((await command("check", "--confg", "x")).code).toBe(64);
    expect((await command()).code).toBe(64);
  });

  it("names files that are not there, and exits with 78: a start would fail by them again and again", async () => {
    const gone = configFile({
      device: "kitchen",
      emotion: { model: "/nowhere/model" },
      mqtt: { username: "bob", passwordFile: "/nowhere/password" },
      http: { tokenFile: "/nowhere/token" },
    });
    for (const name of ["check", "run"]) {
      const { code, stderr } = await command(name, "--config", gone);
      expect(code).toBe(78);
      const paths = stderr.trim().split("\n");
      expect(paths.map((line) => line.split(":")[0])).toEqual([
        "mqtt.passwordFile",
        "http.tokenFile",
        "emotion.model",
      ]);
    }
  });

  it("checks a configuration: a line a problem, and 78", async () => {
    const good = configFile({ device: "kitchen" });
    expect(await command("check", "--config", good)).toMatchObject({ code: 0, stderr: "" });
    const bad = configFile({ mqtt: { url: "http://x" }, nonsense: 1, source: { width: "wide" } });
    for (const name of ["check", "run"]) {
      const { code, stderr, stdout } = await command(name, "--config", bad);
      expect(code).toBe(78);
      const lines = `${stdout}${stderr}`.trim().split("\n");
      expect(lines.map((line) => line.split(":")[0]).sort()).toEqual([
        "mqtt.url",
        "nonsense",
        "source.width",
      ]);
    }
    expect(await command("run", "--config", join(folder, "none.yaml"))).toMatchObject({ code: 78 });
  });

  it("prints JSON Schemas", async () => {
    const compile = (text: string) => addFormats.default(new Ajv2020()).compile(JSON.parse(text) as object);
    const config = await command("schema", "config");
    expect(config.code).toBe(0);
    expect(compile(config.stdout)({ device: "a", source: { type: "stills" } })).toBe(true);
    const event = await command("schema", "event");
    expect(event.code).toBe(0);
    expect(compile(event.stdout)({})).toBe(false);
    expect((await command("schema", "nothing")).code).toBe(64);
  });

  it("looks over the machine: a line a part, with the cure where something fails", async () => {
    const { code, stdout } = await command(
      "doctor",
      "--config",
      configFile({
        source: { type: "stills", uri: join(SAMPLE_PHOTOS, "sample*.jpg") },
        mqtt: { url: "mqtt://127.0.0.1:1" },
      }),
    );
    expect(code).toBe(1);
    const lines = stdout.trim().split("\n");
    for (const line of lines) expect(line).toMatch(/^(ok|warn|fail) +[a-z]+ +\S/);
    const verdict = (part: string) => lines.find((line) => line.split(/ +/)[1] === part)?.split(/ +/)[0];
    expect(verdict("camera")).toBe("ok");
    expect(verdict("opencv")).toBe("ok");
    expect(verdict("model")).toBe("ok");
    expect(verdict("broker")).toBe("fail");
  });
});

describe("emotiond classify", () => {
  const picture = (name: string, rows: number, columns: number): string => {
    const file = join(folder, name);
    // Filling a large Mat goes pixel by pixel; enlarging a small one does not.
    const pixel = new cv.Mat(1, 1, cv.CV_8UC3, [128, 128, 128]);
    const mat = pixel.resize(rows, columns);
    cv.imwrite(file, mat);
    pixel.release();
    mat.release();
    return file;
  };
  let crowd = "";

  beforeAll(() => {
    crowd = join(folder, "crowd.png");
    const photo = cv.imread(join(SAMPLE_PHOTOS, "sample1.jpg"));
    const face = photo.getRegion(new cv.Rect(317, 316, 340, 340)).resize(120, 120);
    const wall = photo.resize(720, 1200);
    for (let tile = 0; tile < 60; tile++) {
      face.copyTo(wall.getRegion(new cv.Rect((tile % 10) * 120, Math.floor(tile / 10) * 120, 120, 120)));
    }
    cv.imwrite(crowd, wall);
    for (const mat of [photo, face, wall]) mat.release();
  });

  it("finds and names the faces of a photo, in its own pixels", async () => {
    const file = join(SAMPLE_PHOTOS, "sample1.jpg");
    const { code, lines } = await classify(file);
    expect(code).toBe(0);
    expect(lines[0]).toMatchObject({ file, width: 1920, height: 1280 });
    expect(lines[0]?.faces.length).toBeGreaterThanOrEqual(2);
    for (const { box, scores, confidence } of lines[0]?.faces ?? []) {
      expect(box.x + box.width).toBeLessThanOrEqual(1920);
      expect(box.y + box.height).toBeLessThanOrEqual(1280);
      expect(box.width).toBeGreaterThan(60);
      expect(Object.keys(scores)).toEqual([
        "angry",
        "disgust",
        "fear",
        "happy",
        "sad",
        "surprise",
        "neutral",
      ]);
      expect(Object.values(scores).reduce((sum, score) => sum + score, 0)).toBeCloseTo(1, 4);
      expect(confidence).toBe(Math.max(...Object.values(scores)));
    }
  });

  it("goes on after files that are no pictures, and ends with 1", async () => {
    const text = join(folder, "text.jpg");
    writeFileSync(text, "not a picture");
    const truncated = join(folder, "truncated.jpg");
    writeFileSync(truncated, readFileSync(join(SAMPLE_PHOTOS, "sample2.jpg")).subarray(0, 20_000));
    const { code, lines } = await classify(
      text,
      truncated,
      join(folder, "none.png"),
      picture("dot.png", 1, 1),
    );
    expect(code).toBe(1);
    expect(lines.map((line) => line.error === undefined)).toEqual([false, false, false, true]);
    expect(lines[0]?.error).toContain("text.jpg");
    expect(lines[3]).toMatchObject({ width: 1, height: 1, faces: [] });
  });

  it("finds nothing in a picture of nothing, however large", async () => {
    const { code, lines } = await classify(
      picture("nothing.png", 480, 640),
      picture("huge.jpg", 9_000, 12_000),
    );
    expect(code).toBe(0);
    expect(lines.map(({ width, height, faces }) => ({ width, height, faces }))).toEqual([
      { width: 640, height: 480, faces: [] },
      { width: 12_000, height: 9_000, faces: [] },
    ]);
  }, 60_000);

  it("takes sixty faces at once", async () => {
    const { code, lines } = await classify(crowd);
    expect(code).toBe(0);
    expect(lines[0]?.faces.length).toBeGreaterThanOrEqual(50);
  });

  it("finds who is in a photo, tilted heads too, and nobody in plants, shirts and a group as a whole", async () => {
    const people = [3, 2, 3, 5, 5, 4];
    const files = people.map((_, index) => join(SAMPLE_PHOTOS, `sample${index + 1}.jpg`));
    const { lines } = await classify(...files);
    const differences = lines.map(({ faces }, index) => Math.abs(faces.length - (people[index] ?? 0)));
    expect(differences.length).toBe(people.length);
    // None with OpenCV 4.6; another version may round a face in or out.
    expect(differences.reduce((sum, difference) => sum + difference, 0)).toBeLessThanOrEqual(2);
  });

  it.skipIf(!existsSync(MEDIA))("finds one face in each of the seven photos", async () => {
    const names = ["angry", "disgusted", "fearful", "happy", "sad", "surprised", "neutral"];
    const { code, lines } = await classify(...names.map((name) => join(MEDIA, "expressions", `${name}.jpg`)));
    expect(code).toBe(0);
    expect(lines.map(({ faces }) => faces.length)).toEqual(names.map(() => 1));
  });
});
