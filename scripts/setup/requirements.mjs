import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";

/**
 * What the system has to bring, each with the apt package that has it (the same name on Debian 12 and 13, Raspberry
 * Pi OS and Ubuntu 22.04) and a file that shows it is there. The file decides, not dpkg: a Jetson's own OpenCV or a
 * hand-built Python serves as well.
 */
const programs = (names) => names.map((name) => ({ program: name }));

const opencv = (module) => ({
  apt: `libopencv-${module}-dev`,
  files: [{ header: `opencv2/${module}.hpp` }, { library: `libopencv_${module}.so` }],
});

const START = [
  { apt: "g++", files: programs(["g++"]) },
  { apt: "make", files: programs(["make"]) },
  { apt: "python3", files: programs(["python3"]) },
  ...["core", "imgproc", "imgcodecs", "videoio", "highgui", "objdetect"].map(opencv),
];

const plugin = (name) => ({ library: `gstreamer-1.0/libgst${name}.so` });

const TEST = [
  { apt: "mosquitto", files: programs(["mosquitto"]) },
  { apt: "mosquitto-clients", files: programs(["mosquitto_pub", "mosquitto_sub"]) },
  { apt: "openssl", files: programs(["openssl"]) },
  { apt: "iproute2", files: programs(["ip"]) },
  { apt: "strace", files: programs(["strace"]) },
  { apt: "procps", files: programs(["pgrep"]) },
  { apt: "faketime", files: [{ library: "faketime/libfaketimeMT.so.1" }] },
  { apt: "xvfb", files: programs(["Xvfb"]) },
  { apt: "imagemagick", files: programs(["import"]) },
  { apt: "gstreamer1.0-tools", files: programs(["gst-launch-1.0"]) },
  { apt: "gstreamer1.0-plugins-base", files: [plugin("app")] },
  { apt: "gstreamer1.0-x", files: [plugin("ximagesink")] },
  { apt: "gstreamer1.0-plugins-good", files: [plugin("ximagesrc")] },
  { apt: "gstreamer1.0-plugins-bad", files: [plugin("kms")] },
];

/** Where the system keeps what a requirement looks for. */
export function systemPlaces() {
  const triplet = { x64: "x86_64-linux-gnu", arm64: "aarch64-linux-gnu", arm: "arm-linux-gnueabihf" }[
    process.arch
  ];
  return {
    programs: [
      ...(process.env.PATH ?? "").split(delimiter),
      "/usr/local/bin",
      "/usr/bin",
      "/usr/sbin",
      "/sbin",
    ],
    headers: ["/usr/include/opencv4", "/usr/local/include/opencv4"],
    libraries: [...(triplet ? [`/usr/lib/${triplet}`] : []), "/usr/lib64", "/usr/lib", "/usr/local/lib"],
  };
}

/**
 * The apt packages of what is missing.
 *
 * @param {"start" | "test"} purpose
 */
export function missingPackages(purpose, places = systemPlaces()) {
  const wanted = purpose === "test" ? [...START, ...TEST] : START;
  return wanted.filter(({ files }) => !files.every((file) => findFile(file, places))).map(({ apt }) => apt);
}

/** The first place that has the file, or undefined. */
export function findFile({ program, header, library }, places = systemPlaces()) {
  const [name, folders] = program
    ? [program, places.programs]
    : header
      ? [header, places.headers]
      : [library, places.libraries];
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}
