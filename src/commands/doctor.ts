import { readFileSync } from "node:fs";
import { withoutSecrets } from "../base/secrets.js";
import { findCameraTool } from "../camera/libcamera/camera-tool.js";
import { piCameras } from "../camera/libcamera/discover.js";
import { findPhotos } from "../camera/stills/photo-files.js";
import { reach } from "../camera/video/reach.js";
import { captureDevices } from "../camera/video/v4l2.js";
import { checkVideoDevice, checkVideoFile } from "../camera/video/video-check.js";
import { environmentWarnings } from "../config/environment.js";
import { defaultConfig, loadConfig } from "../config/load.js";
import type { Config } from "../config/schema.js";
import { describeVideo, parseVideoUri } from "../config/video-uri.js";
import { diagnose } from "../display/screen/diagnose.js";
import { checkBroker } from "./check-broker.js";
import { type Finding, fail, ok, warn } from "./finding.js";

/**
 * No check may hold up the others for longer than this, in milliseconds. A slow device that loads three engines and
 * times them, or whose GStreamer looks through its plugins for the first time, takes half of it.
 */
const PATIENCE = 60_000;

/** Milliseconds for a stream's host to answer. */
const REACH_WITHIN = 4_000;

/**
 * Looks over everything the daemon needs: a line each, with the cure.
 *
 * @returns 0, or 1 when anything fails.
 */
export async function doctor(file: string | undefined): Promise<number> {
  let config = defaultConfig(process.env);
  let failed = false;
  const tell = (name: string, { verdict, text }: Finding): void => {
    failed ||= verdict === "fail";
    process.stdout.write(`${verdict.padEnd(4)}  ${name.padEnd(8)}  ${withoutSecrets(text)}\n`);
  };
  if (file !== undefined) {
    try {
      config = await loadConfig(file);
      tell("config", ok(file));
    } catch (error) {
      for (const line of (error as Error).message.split("\n")) tell("config", fail(line));
    }
  }
  for (const warning of environmentWarnings(process.env)) tell("config", warn(warning));
  const checks: readonly (readonly [string, (config: Config) => Promise<Finding> | Finding])[] = [
    ["node", checkNode],
    ["camera", ({ source }) => checkCamera(source)],
    ["groups", checkGroups],
    ["opencv", checkOpenCv],
    ["model", checkModel],
    ["display", checkDisplay],
    ["broker", ({ mqtt }) => checkBroker(mqtt, file)],
  ];
  for (const [name, check] of checks) tell(name, await patiently(async () => check(config)));
  return failed ? 1 : 0;
}

async function patiently(check: () => Promise<Finding>): Promise<Finding> {
  let timer: NodeJS.Timeout | undefined;
  const tooLong = new Promise<Finding>((resolve) => {
    timer = setTimeout(() => resolve(fail(`no answer within ${PATIENCE / 1000} s`)), PATIENCE);
  });
  const found = check().catch((error: unknown) => fail((error as Error).message));
  return Promise.race([found, tooLong]).finally(() => clearTimeout(timer));
}

function checkNode(): Finding {
  const major = Number(process.versions.node.split(".")[0]);
  const text = `${process.version} on ${process.arch}`;
  return major >= 20 ? ok(text) : fail(`${text}: emotiond needs Node 20 or later`);
}

/** @throws CameraError with the cure */
export async function checkCamera(source: Config["source"]): Promise<Finding> {
  switch (source.type) {
    case "libcamera": {
      const tool = await findCameraTool();
      if (tool === null) {
        const [usb] = await captureDevices();
        const hint = usb === undefined ? "" : `; or use ${usb.path} (${usb.name}) with source.type: video`;
        return fail(`no rpicam-vid or libcamera-vid: sudo apt install rpicam-apps${hint}`);
      }
      const cameras = await piCameras();
      return cameras.length > 0
        ? ok(`${cameras.join(", ")} through ${tool}`)
        : fail(`${tool} sees no camera: check the ribbon cable, and camera_auto_detect=1 in config.txt`);
    }
    case "stills":
      return ok(`${(await findPhotos(source.uri)).length} photos at ${source.uri}`);
    case "video":
      return checkVideo(source);
  }
}

/** Tries what the daemon would open, as far as that takes nothing from it. */
async function checkVideo(source: Config["source"]): Promise<Finding> {
  const video = parseVideoUri(source.uri);
  const description = describeVideo(video);
  const { signal } = new AbortController();
  switch (video.kind) {
    case "device":
      await checkVideoDevice(video.path);
      return ok(description);
    case "file":
      await checkVideoFile(video.path);
      return ok(description);
    case "stream": {
      const { protocol, host, port } = video;
      if (port === null) {
        return warn(
          `${description} was not tried, for ${protocol} has nothing to connect to: \`ffplay <uri>\` shows whether it plays`,
        );
      }
      await reach({ protocol, host, port }, REACH_WITHIN, signal);
      return ok(`${description}: ${host}:${port} answers`);
    }
    case "pipeline": {
      const { cv } = await import("../base/opencv.js");
      const { needGStreamer, probePipeline } = await import("../camera/video/pipeline-probe.js");
      needGStreamer(description, cv.getBuildInformation());
      const interval = 1000 / source.framerate;
      return (await probePipeline({ pipeline: video.pipeline, description, interval }, signal))
        ? ok(`${description} delivers`)
        : warn(`${description} was not tried, for its source waits for a peer: start emotiond, and the peer`);
    }
  }
}

function checkGroups(): Finding {
  if (process.getuid?.() === 0) return ok("root may open every device");
  const mine = new Set(process.getgroups?.() ?? []);
  const groups = readFileSync("/etc/group", "utf8")
    .split("\n")
    .map((line) => line.split(":"));
  const missing = ["video", "render"].filter((name) => {
    const id = groups.find(([group]) => group === name)?.[2];
    return id !== undefined && !mine.has(Number(id));
  });
  if (missing.length === 0) return ok("video, render");
  return warn(
    `this user is not in ${missing.join(", ")}: sudo usermod -aG ${missing.join(",")} $USER, then log in anew`,
  );
}

async function checkOpenCv({ detector }: Config): Promise<Finding> {
  const { cv } = await import("../base/opencv.js");
  const { loadCascade } = await import("../vision/cascade.js");
  loadCascade(detector.cascade);
  return ok(`${cv.getVersionString()}, cascade ${detector.cascade}`);
}

async function checkModel({ emotion }: Config): Promise<Finding> {
  const { loadClassifier } = await import("../emotion/load.js");
  const classifier = await loadClassifier(emotion.model, emotion.engine);
  const { model, engine } = classifier;
  await classifier.close();
  return ok(`${model.name} ${model.version} on ${engine}`);
}

async function checkDisplay({ display }: Config): Promise<Finding> {
  const { level, message } = await diagnose(display.sink);
  return { verdict: level, text: message };
}
