import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type MachineRun, type Outcome, pack, runMachine, type Step } from "./machine.js";
import { classifyHere, type Line, photos, readLines } from "./photos.js";
import { arm64Package, baseImage, obstacle } from "./prepare.js";

/**
 * The arm64 package's files on emulated machines, without systemd: what is tested is that its programs and libraries run,
 * and agree with this machine.
 */

const why = obstacle();
if (why !== undefined) console.log(`The ARM machine is skipped: ${why}`);

const ENGINES = ["auto", "onnx-int8", "onnx-fp32"] as const;
const FRAMES = 20;
/** An emulated processor takes twenty times as long as one of its kind, and a busy host again as long. */
const STEP_SECONDS = 600;
const SOURCES = {
  stills: "{type: stills, uri: /test/stills, realtime: false, framerate: 5}",
  gstreamer:
    `{type: video, realtime: false, framerate: 5, uri: "filesrc location=/test/stills/photo.jpg ! jpegdec ! ` +
    `imagefreeze num-buffers=${FRAMES} ! videoconvert ! video/x-raw,format=BGR,framerate=5/1 ! appsink"}`,
} as const;

/** Pi 5: its processor has dot product, and its kernel has pages of 16 KiB. */
const MACHINES = [
  { like: "a Pi 4 with Debian 12", processor: "cortex-a72", suite: "bookworm", image: "linux-image-arm64" },
  { like: "a Pi 5 with Debian 13", processor: "cortex-a76", suite: "trixie", image: "linux-image-arm64-16k" },
] as const;

describe.skipIf(why !== undefined).each(MACHINES)("the arm64 package on $like", (machine) => {
  const files = photos();
  let work: string;
  let run: MachineRun;
  const outcome = (name: string): Outcome => {
    const found = run.outcomes.get(name);
    if (found === undefined) throw new Error(`no step ${name}`);
    return found;
  };
  const show = (text: string) => console.log(`[${machine.like}] ${text}`);

  beforeAll(async () => {
    work = mkdtempSync(join(tmpdir(), "emotiond-arm64-"));
    const base = baseImage(machine.suite, machine.image);
    const deb = arm64Package();
    show(`${basename(deb)}: ${(statSync(deb).size / 1e6).toFixed(1)} MB`);
    const folder = join(work, "package");
    execFileSync("dpkg-deb", ["-x", deb, folder]);
    addTestFiles(join(folder, "test"), files);
    pack(folder, join(work, "package.cpio"));
    run = await runMachine({
      processor: machine.processor,
      kernel: join(base, "vmlinuz"),
      archives: [join(base, "root.cpio"), join(work, "package.cpio")],
      steps: steps(files),
      work,
      seconds: 3_000,
    });
    show(`boot to the first command: ${run.bootSeconds.toFixed(1)} s; all: ${run.seconds.toFixed(1)} s`);
    for (const [name, { code, seconds }] of run.outcomes)
      show(`${name}: ${seconds.toFixed(1)} s, exit ${code}`);
  });

  afterAll(() => rmSync(work, { recursive: true, force: true }));

  it("is the machine that is meant, and finds every library", () => {
    const { out } = outcome("machine");
    show(out.replaceAll("\n", ", "));
    expect(out).toMatch(machine.processor === "cortex-a72" ? / 4 kB\n(?!.*asimddp)/ : / 16 kB\n.*asimddp/);
    expect(outcome("libraries")).toMatchObject({ code: 0, out: "" });
  });

  it("passes its doctor", () => {
    const { code, err } = outcome("doctor");
    show(`doctor:\n${err}`);
    for (const part of ["config", "node", "camera", "groups", "opencv", "model", "display", "broker"]) {
      expect(err).toMatch(new RegExp(`^ok +${part} `, "m"));
    }
    expect(err).toMatch(/^ok +node +v\d+\.\S+ on arm64$/m);
    expect(code).toBe(0);
  });

  it.each(ENGINES)("names the photos' faces as this machine does, with %s", (engine) => {
    const { code, out, err } = outcome(stepName(engine));
    expect(code, err).toBe(0);
    const there = readLines(out);
    const here = classifyHere(files, engine);
    show(`${engine}:\n${table(there, here)}`);
    expect(there.map(labels)).toEqual(here.map(labels));
    expect(here.flatMap(({ faces }) => faces).length).toBeGreaterThanOrEqual(files.length);
  });

  it.each(Object.keys(SOURCES))("runs on %s to the source's end, and publishes the face's life", (source) => {
    const { code, out, err } = outcome(source);
    const messages = out
      .split("\n")
      .filter((line) => line !== "")
      .map(readMessage);
    const on = (topic: string) => messages.filter((message) => message.topic === `emotiond/pi/${topic}`);
    expect(code, err).toBe(0);
    const events = on("event").map(({ text }) => JSON.parse(text));
    show(`${source}: ${events.map(({ type, emotion }) => `${type} ${emotion.label}`).join(", ")}`);
    expect(events.map(({ type }) => type)).toEqual(expect.arrayContaining(["new", "end"]));
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
    const [first] = classifyHere([stillPhoto(files)], "auto");
    expect(first?.faces.map(({ label }) => label)).toContain(events[0].emotion.label);
    expect(on("availability").map(({ text }) => text)).toEqual(["online", "offline"]);
  });
});

const readMessage = (line: string) => JSON.parse(line) as { topic: string; text: string };
const labels = ({ file, faces }: Line) => [basename(file), ...faces.map(({ label }) => label)];
const stepName = (engine: string) => engine.replace("-", "_");

/** One whose label is not close to another. */
const stillPhoto = (files: readonly string[]) =>
  files.find((file) => basename(file) === "happy.jpg") ?? (files[0] as string);

function addTestFiles(folder: string, files: readonly string[]): void {
  mkdirSync(join(folder, "photos"), { recursive: true });
  mkdirSync(join(folder, "stills"));
  for (const file of files) copyFileSync(file, join(folder, "photos", basename(file)));
  // A photo is shown for some seconds: one is a face that comes, stays and goes.
  copyFileSync(stillPhoto(files), join(folder, "stills", "photo.jpg"));
  copyFileSync(join(import.meta.dirname, "listener.mjs"), join(folder, "listener.mjs"));
  for (const [name, source] of Object.entries(SOURCES)) {
    const config = `device: pi\nsource: ${source}\nmqtt: {url: "mqtt://127.0.0.1:1883"}\n`;
    writeFileSync(join(folder, `${name}.yaml`), config);
  }
}

function steps(files: readonly string[]): Step[] {
  const app = "/usr/lib/emotiond";
  const inMachine = files.map((file) => `/test/photos/${basename(file)}`).join(" ");
  const listen = (args: string) => `exec ${app}/bin/node /test/listener.mjs ${args}`;
  return [
    {
      name: "machine",
      command: "grep -m1 KernelPageSize /proc/self/smaps; grep -m1 Features /proc/cpuinfo; uname -r",
      seconds: 30,
    },
    {
      name: "libraries",
      // Each is asked for what it needs; what is missing is printed.
      command: `find ${app} \\( -name '*.node' -o -name '*.so*' \\) -type f -exec /lib/ld-linux-aarch64.so.1 --list {} \\; | grep -F 'not found'; true`,
      seconds: STEP_SECONDS,
    },
    { name: "doctor", command: listen("doctor --config /test/stills.yaml"), seconds: STEP_SECONDS },
    ...ENGINES.map((engine) => ({
      name: stepName(engine),
      command: `EMOTIOND_EMOTION_ENGINE=${engine} exec emotiond classify ${inMachine}`,
      seconds: STEP_SECONDS,
    })),
    ...Object.keys(SOURCES).map((source) => ({
      name: source,
      command: listen(`run --config /test/${source}.yaml`),
      seconds: STEP_SECONDS,
    })),
  ];
}

/** A line a photo: the labels there and here, and how far boxes and scores are apart. */
function table(there: readonly Line[], here: readonly Line[]): string {
  return here
    .map((line, index) => {
      const far = there[index];
      const names = (faces: Line["faces"] = []) => faces.map(({ label }) => label).join("+") || "none";
      return `  ${basename(line.file).padEnd(14)} arm64 ${names(far?.faces).padEnd(18)} here ${names(line.faces).padEnd(18)} ${distance(line, far)}`;
    })
    .join("\n");
}

function distance(a: Line, b: Line | undefined): string {
  let pixels = 0;
  let score = 0;
  for (const [index, face] of a.faces.entries()) {
    const other = b?.faces[index];
    if (other === undefined) continue;
    for (const side of ["x", "y", "width", "height"] as const) {
      pixels = Math.max(pixels, Math.abs(face.box[side] - other.box[side]));
    }
    for (const [label, value] of Object.entries(face.scores)) {
      score = Math.max(score, Math.abs(value - (other.scores[label] ?? 0)));
    }
  }
  return `boxes ${pixels.toFixed(1)} px, scores ${score.toFixed(4)} apart`;
}
