import { createRequire, Module } from "node:module";

type OpenCv = typeof import("@u4/opencv4nodejs").cv;
export type Mat = import("@u4/opencv4nodejs").Mat;

const require = createRequire(import.meta.url);

/** Pixels of the largest picture that is decoded: a file of a few bytes can claim 2^30, which is 3 GB. */
export const LARGEST_PICTURE = 2 ** 27;

/**
 * The one place that loads OpenCV. It is a nan addon: loaded once, in the main thread, never in a worker; its
 * `…Async` calls run on libuv's pool.
 */
export const cv: OpenCv = load();

/** The addon itself, for a process that needs no more of it. */
export const addonFile: string =
  Object.keys(require.cache).find((path) => path.endsWith("opencv4nodejs.node")) ?? "";

function load(): OpenCv {
  process.env.OPENCV4NODEJS_DISABLE_AUTOBUILD = "1";
  process.env.OPENCV_IO_MAX_IMAGE_PIXELS ??= String(LARGEST_PICTURE);
  leaveOutBuilder();
  const { cv } = require("@u4/opencv4nodejs") as { cv: OpenCv };
  // The pictures looked at are small: handing parts of them round costs a quarter more than the work, and a core is
  // left for the camera. And the CPU time of a scan is then no longer than it takes.
  cv.setNumThreads(1);
  return cv;
}

/**
 * The addon's loader asks for the package that compiles OpenCV, which it needs only to explain why an addon does not
 * load: a hundred modules, a fifth of a second, 20 MB of memory, and its settings told on stdout, where `classify`
 * and `schema` print JSON. It gets an empty one.
 */
function leaveOutBuilder(): void {
  const beside = createRequire(require.resolve("@u4/opencv4nodejs"));
  const path = beside.resolve("@u4/opencv-build");
  const plain = (text: string) => text;
  const builder = {
    Log: { silence: true, log: () => undefined },
    pc: { red: plain, yellow: plain },
    OpenCVBuilder: class {
      readonly env = { isAutoBuildDisabled: true, opencvBinDir: "" };
    },
  };
  require.cache[path] ??= Object.assign(new Module(path), { filename: path, loaded: true, exports: builder });
}
