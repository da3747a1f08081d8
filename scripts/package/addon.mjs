import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { compileAddon, layOutOpenCv } from "../setup/addon.mjs";

/**
 * Compiles a package's OpenCV addon, with a static OpenCV in it:
 *
 *     node scripts/package/addon.mjs ROOT OPENCV NODE TRIPLET [SYSROOT]
 *
 * ROOT has the package's node_modules, OPENCV is what scripts/package/opencv printed, NODE is the folder of the Node
 * that goes into the package, and SYSROOT is given when the package is for another processor than this one.
 */
const [triplet, sysroot = ""] = process.argv.slice(5);
const [root, opencv, nodedir] = process.argv.slice(2, 5).map((path) => resolve(path));

/** In the order in which the linker needs them. */
const MODULES = ["objdetect", "videoio", "imgcodecs", "calib3d", "features2d", "flann", "imgproc", "core"];
const GSTREAMER = ["gstbase", "gstriff", "gstapp", "gstvideo", "gstaudio", "gstpbutils", "gstreamer"];

const work = `${root}.addon`;
rmSync(work, { recursive: true, force: true });
mkdirSync(work, { recursive: true });
// The addon's build asks for libopencv_NAME.so alone. Each of these is a linker script: one names every archive.
const script = (name, text) => {
  const path = join(work, name);
  writeFileSync(path, text);
  return path;
};
const archives = MODULES.map((module) => join(opencv, "lib", `libopencv_${module}.a`));
const shared = [
  ...GSTREAMER.map((name) => `-l${name}-1.0`),
  ...["gobject-2.0", "glib-2.0", "jpeg", "png16", "z"].map((name) => `-l${name}`),
];
const everything = script("all.so", `GROUP(${archives.join(" ")} AS_NEEDED(${shared.join(" ")}))\n`);
const nothing = script("none.so", "/* all is in libopencv_core.so */\n");
layOutOpenCv(join(work, "layout"), {
  headers: join(opencv, "include", "opencv4"),
  library: (module) => (module === "core" ? everything : nothing),
});

const cross = sysroot === "" ? {} : crossCompiler(`--sysroot=${sysroot}`);
let shown = 0;
await compileAddon(root, {
  layout: join(work, "layout"),
  nodedir,
  flags: "-O2",
  gyp: sysroot === "" ? [] : ["--arch=arm64"],
  env: {
    ...cross,
    // Only what is called stays, and no symbol of OpenCV's is seen by another library in the process.
    LDFLAGS: "-Wl,--gc-sections -Wl,--exclude-libs,ALL -Wl,-z,relro -s",
  },
  report(detail) {
    if (performance.now() - shown < 15_000) return;
    shown = performance.now();
    console.error(`OpenCV addon: ${detail}`);
  },
});
rmSync(work, { recursive: true });

function crossCompiler(flags) {
  const tool = (name) => `${triplet}-${name}`;
  return {
    CC: `${tool("gcc")} ${flags}`,
    CXX: `${tool("g++")} ${flags}`,
    LINK: `${tool("g++")} ${flags}`,
    AR: tool("ar"),
  };
}
