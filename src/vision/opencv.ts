import { createRequire } from "node:module";

// The addon reads these when it loads: use the prebuilt library, and print no configuration lines.
process.env.OPENCV4NODEJS_DISABLE_AUTOBUILD ??= "1";

type OpenCv = typeof import("@u4/opencv4nodejs");

/**
 * The one place that loads OpenCV. It is a nan addon: loaded once in the main thread, never in a worker; its
 * `…Async` calls run on libuv's pool.
 */
export const cv: OpenCv["default"] = (createRequire(import.meta.url)("@u4/opencv4nodejs") as OpenCv).default;

export type Mat = import("@u4/opencv4nodejs").Mat;
