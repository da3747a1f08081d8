import { readdir, stat } from "node:fs/promises";
import { join, sep } from "node:path";
import { CameraError } from "../camera.js";

const PHOTO = /\.(jpe?g|png|webp|bmp|tiff?)$/i;

/** More folders than that in a glob's way are a mistake. */
const MOST_PATHS = 100_000;

/**
 * The photos that a `source.uri` of type `stills` names, in natural order (2 before 10).
 *
 * @param uri a folder, a single photo, or a glob with `*` and `?` in any part of it
 * @throws CameraError when there is none
 */
export async function findPhotos(uri: string): Promise<string[]> {
  const found = /[*?]/.test(uri) ? await expand(uri) : await list(uri);
  if (found.length === 0) {
    throw new CameraError(
      `${uri}: no photo there; source.uri must be a folder or glob of JPEG, PNG, WebP, BMP or TIFF`,
    );
  }
  const natural = new Intl.Collator("en", { numeric: true });
  return found.sort((a, b) => natural.compare(a, b));
}

async function list(uri: string): Promise<string[]> {
  let isFolder: boolean;
  try {
    isFolder = (await stat(uri)).isDirectory();
    if (!isFolder) return [uri];
    return (await readdir(uri)).filter((name) => PHOTO.test(name)).map((name) => join(uri, name));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") throw new CameraError(`${uri}: there is no such folder; check source.uri`);
    if (code === "EACCES") throw new CameraError(`${uri}: this user may not read it; check its permissions`);
    throw new CameraError(`${uri}: ${message}`);
  }
}

/** Part by part, so that folders are read only where a wildcard asks for it. */
async function expand(glob: string): Promise<string[]> {
  const parts = glob.split(sep);
  let paths = [parts.shift() ?? ""];
  if (/[*?]/.test(paths[0] ?? "")) {
    parts.unshift(paths[0] ?? "");
    paths = ["."];
  }
  for (const [index, part] of parts.entries()) {
    const last = index === parts.length - 1;
    const next: string[] = [];
    for (const path of paths) {
      const base = path === "" ? sep : path;
      if (!/[*?]/.test(part)) {
        next.push(join(base, part));
        continue;
      }
      const matches = pattern(part);
      for (const entry of await readdir(base, { withFileTypes: true }).catch(() => [])) {
        if (!matches.test(entry.name) || (last && (entry.isDirectory() || !PHOTO.test(entry.name)))) continue;
        next.push(join(base, entry.name));
      }
    }
    paths = next.slice(0, MOST_PATHS);
  }
  const files = await Promise.all(paths.map(async (path) => ((await isFile(path)) ? [path] : [])));
  return files.flat();
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}

/** `*` and `?` in one part of a path; a leading dot must be spelled out. */
function pattern(part: string): RegExp {
  const source = [...part]
    .map((character) => {
      if (character === "*") return "[^/]*";
      if (character === "?") return "[^/]";
      return character.replace(/[\\^$.|+()[\]{}]/g, "\\$&");
    })
    .join("");
  return new RegExp(`^${part.startsWith(".") ? "" : "(?!\\.)"}${source}$`);
}
