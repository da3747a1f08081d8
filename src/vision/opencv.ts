import { createRequire } from "node:module";

type OpenCv = typeof import("@u4/opencv4nodejs").cv;
export type Mat = import("@u4/opencv4nodejs").Mat;

const require = createRequire(import.meta.url);

/**
 * The one place that loads OpenCV. It is a nan addon: loaded once, in the main thread, never in a worker; its
 * `…Async` calls run on libuv's pool.
 */
export const cv: OpenCv = load();

function load(): OpenCv {
  process.env.OPENCV4NODEJS_DISABLE_AUTOBUILD = "1";
  // Its loader tells its settings on stdout, where `classify` and `schema` print JSON.
  const requireBeside = createRequire(require.resolve("@u4/opencv4nodejs"));
  (requireBeside("@u4/opencv-build") as { Log: { silence: boolean } }).Log.silence = true;
  return (require("@u4/opencv4nodejs") as { cv: OpenCv }).cv;
}
