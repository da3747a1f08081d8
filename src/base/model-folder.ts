import { programFile } from "./program-file.js";

/** What a model folder must have. */
export const MANIFEST_FILE = "manifest.json";

/** Where a model is: a relative path, such as the shipped `models/emotion`, is beside the program. */
export function modelFolder(path: string): string {
  return programFile(path);
}
