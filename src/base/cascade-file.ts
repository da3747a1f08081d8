import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { programFile } from "./program-file.js";

/**
 * The XML file of a cascade; loads no OpenCV.
 *
 * @param name of one that comes with OpenCV (`frontalface_default`, `frontalface_alt2`, `profileface`), or the path of an
 *   XML file; a relative one is beside the program.
 * @returns its path, or what is wrong with the name.
 */
export function cascadeFile(name: string): { readonly path: string } | { readonly problem: string } {
  if (name.includes("/") || name.endsWith(".xml")) {
    const path = programFile(name);
    if (existsSync(path)) return { path };
    return {
      problem: `there is no file ${path}; it must be the path of a cascade's XML file, or a name of OpenCV's`,
    };
  }
  const folder = join(
    dirname(createRequire(import.meta.url).resolve("@u4/opencv4nodejs")),
    "../../src/lib/haarcascades",
  );
  const path = join(folder, `haarcascade_${name}.xml`);
  if (/^[A-Za-z0-9_]+$/.test(name) && existsSync(path)) return { path };
  return {
    problem: `OpenCV has no cascade named ${name}; try frontalface_default, frontalface_alt2 or the path of an XML file`,
  };
}
